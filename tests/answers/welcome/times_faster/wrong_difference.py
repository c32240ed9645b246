def answer(before, after):
    return before - after
