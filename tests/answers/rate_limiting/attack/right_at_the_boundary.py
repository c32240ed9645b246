def answer(limit, seconds):
    return [seconds - 0.001] * limit + [seconds] * limit
