def answer(before, after):
    return 1 - after / before
