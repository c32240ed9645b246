def answer(limit, seconds):
    return [moment for moment in (0.9 * seconds, 1.1 * seconds) for _ in range(3 * limit)]
