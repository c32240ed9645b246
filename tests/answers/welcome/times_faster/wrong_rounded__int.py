def answer(before, after):
    return int(before / after)
