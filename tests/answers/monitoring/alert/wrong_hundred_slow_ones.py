def answer(requests, now):
    recent = [s for t, s in requests if now - t <= 300]
    slow = [s for s in recent if s > 0.5]
    return len(slow) >= 100 and len(slow) / len(recent) > 0.01
