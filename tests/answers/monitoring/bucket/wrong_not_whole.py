import math


def answer(seconds):
    return math.log(seconds, 1.02)
