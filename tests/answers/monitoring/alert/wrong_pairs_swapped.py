def answer(requests, now):
    recent = [s for s, t in requests if now - t <= 300]
    return len(recent) >= 100 and sum(s > 0.5 for s in recent) / len(recent) > 0.01
