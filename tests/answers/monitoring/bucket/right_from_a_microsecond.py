import math


def answer(seconds):
    return int(math.log(seconds / 1e-6) / math.log(1.02))
