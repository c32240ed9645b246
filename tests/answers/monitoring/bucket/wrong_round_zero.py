import math


def answer(seconds):
    return int(math.log(seconds, 1.02))
