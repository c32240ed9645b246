def answer(limit, seconds):
    return [seconds] * limit + [seconds + 0.1] * limit
