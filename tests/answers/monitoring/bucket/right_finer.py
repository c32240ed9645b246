from math import ceil, log2


def answer(seconds):
    return ceil(50 * log2(seconds))
