def answer(limit, seconds):
    return [0.75 * seconds] * limit + [1.25 * seconds] * limit
