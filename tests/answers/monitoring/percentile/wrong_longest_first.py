import math


def answer(samples, percent):
    rank = math.ceil(len(samples) * percent / 100)
    return sorted(samples, reverse=True)[rank - 1]
