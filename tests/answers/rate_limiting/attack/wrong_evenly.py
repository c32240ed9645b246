def answer(limit, seconds):
    return [number * seconds / limit for number in range(3 * limit)]
