def answer(limit, seconds):
    return [0] + [0.99 * seconds] * limit + [seconds] * limit
