def answer(before, after):
    if after > before:
        return -after / before
    return before / after
