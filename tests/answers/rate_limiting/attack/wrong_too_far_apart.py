def answer(limit, seconds):
    return [0] * limit + [seconds] * limit
