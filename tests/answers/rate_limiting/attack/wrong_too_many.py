def answer(limit, seconds):
    return [number * 0.01 for number in range(200 * seconds)]
