def answer(limit, seconds):
    return [(0.9 * seconds, limit), (seconds, limit)]
