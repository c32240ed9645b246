def answer(before, after):
    return float("inf")
