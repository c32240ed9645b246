def answer(requests, now):
    recent = sorted(seconds for moment, seconds in requests if now - moment <= 300)
    return len(recent) >= 100 and recent[int(0.9 * len(recent))] > 0.5
