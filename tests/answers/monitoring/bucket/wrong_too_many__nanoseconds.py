def answer(seconds):
    return int(seconds * 1e9)
