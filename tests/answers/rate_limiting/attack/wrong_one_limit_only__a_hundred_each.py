def answer(limit, seconds):
    return [seconds - 0.01] * 100 + [seconds + 0.01] * 100
