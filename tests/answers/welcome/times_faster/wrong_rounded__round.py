def answer(before, after):
    return round(before / after)
