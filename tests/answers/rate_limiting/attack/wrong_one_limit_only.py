def answer(limit, seconds):
    return [59.9] * limit + [60] * limit
