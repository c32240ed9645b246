def answer(requests, now):
    recent = [seconds for moment, seconds in requests if now - moment <= 300]
    return len(recent) >= 100 and sum(s > 0.6 for s in recent) / len(recent) > 0.01
