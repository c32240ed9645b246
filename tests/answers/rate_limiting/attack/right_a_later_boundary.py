def answer(limit, seconds):
    return (5 * seconds, 5 * seconds - 0.01) * limit
