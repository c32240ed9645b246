def answer(requests, now):
    recent = [seconds for moment, seconds in requests if now - moment <= 300]
    slow = sum(s > 0.5 for s in recent)
    return len(recent) >= 100 and slow / len(requests) > 0.01
