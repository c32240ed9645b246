def answer(before, after):
    return 100 * before / after
