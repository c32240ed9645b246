def answer(before, after):
    return max(before, after) / min(before, after)
