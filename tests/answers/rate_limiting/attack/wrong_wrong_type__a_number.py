def answer(limit, seconds):
    return 2 * limit
