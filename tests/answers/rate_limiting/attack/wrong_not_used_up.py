def answer(limit, seconds):
    return [seconds * 0.99] * (limit // 2) + [seconds] * (limit // 2)
