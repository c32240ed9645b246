def answer(before, after):
    return abs(after - before)
