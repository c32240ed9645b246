def answer(before, after):
    times = 0
    while before > 0:
        times += 1
    return times
