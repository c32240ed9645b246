def answer(requests, now):
    slow = sum(seconds > 0.5 for _, seconds in requests)
    return len(requests) >= 100 and slow / len(requests) > 0.01
