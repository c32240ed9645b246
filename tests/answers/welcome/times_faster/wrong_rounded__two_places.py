def answer(before, after):
    return round(before / after, 2)
