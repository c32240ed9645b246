def answer(limit, seconds):
    return [0.9 * seconds] * 10 + [seconds] * 10
