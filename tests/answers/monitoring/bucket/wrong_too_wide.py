import math


def answer(seconds):
    return math.floor(math.log10(seconds))
