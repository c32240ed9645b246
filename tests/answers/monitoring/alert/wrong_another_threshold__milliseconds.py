def answer(requests, now):
    recent = [s for t, s in requests if now - t <= 300]
    return len(recent) >= 100 and sum(s > 500 for s in recent) / len(recent) > 0.01
