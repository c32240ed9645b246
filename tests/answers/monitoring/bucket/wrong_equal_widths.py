def answer(seconds):
    return int(seconds * 1000)
