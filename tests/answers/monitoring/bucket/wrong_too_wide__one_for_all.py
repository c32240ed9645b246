def answer(seconds):
    return 0
