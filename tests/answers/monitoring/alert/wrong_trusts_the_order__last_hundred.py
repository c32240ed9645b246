def answer(requests, now):
    recent = [seconds for moment, seconds in requests[-100:] if now - moment <= 300]
    return len(recent) >= 100 and sum(s > 0.5 for s in recent) / len(recent) > 0.01
