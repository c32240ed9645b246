def answer(limit, seconds):
    return [number * seconds / limit / 1.2 for number in range(3 * limit)]
