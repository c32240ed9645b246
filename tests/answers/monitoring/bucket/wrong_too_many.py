import math


def answer(seconds):
    return math.floor(math.log(seconds, 1.002))
