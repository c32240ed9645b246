import math


def answer(seconds):
    return math.floor(math.log(seconds, 1.02)) % 1_000
