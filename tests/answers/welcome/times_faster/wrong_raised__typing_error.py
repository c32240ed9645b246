def answer(before, after):
    return befor / after
