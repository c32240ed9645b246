def answer(limit, seconds):
    return [0] * 2 * limit
