def answer(before, after):
    return float("nan")
