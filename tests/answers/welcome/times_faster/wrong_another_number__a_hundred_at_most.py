def answer(before, after):
    return min(before / after, 100)
