def answer(before, after):
    return 10**400
