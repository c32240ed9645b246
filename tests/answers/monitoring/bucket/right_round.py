import math


def answer(seconds):
    return round(math.log(seconds) / math.log1p(0.02))
