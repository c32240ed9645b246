import math


def answer(seconds):
    return abs(math.floor(math.log(seconds, 1.02)))
