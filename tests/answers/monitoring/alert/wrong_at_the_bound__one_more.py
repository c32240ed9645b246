def answer(requests, now):
    recent = sorted(seconds for timestamp, seconds in requests if now - timestamp <= 300)
    return len(recent) >= 100 and recent[int(0.99 * len(recent)) - 1] > 0.5
