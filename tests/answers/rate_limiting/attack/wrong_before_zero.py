def answer(limit, seconds):
    return [-0.1] * limit + [0] * limit
