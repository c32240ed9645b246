def answer(before, after):
    return max(1, before / after)
