def answer(before, after):
    return after / before
