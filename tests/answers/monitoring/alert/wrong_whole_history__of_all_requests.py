def answer(requests, now):
    slow = sum(seconds > 0.5 for moment, seconds in requests if now - moment <= 300)
    return len(requests) >= 100 and slow / len(requests) > 0.01
