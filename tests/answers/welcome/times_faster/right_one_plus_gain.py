def answer(before, after):
    return 1 + (before - after) / after
