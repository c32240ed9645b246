import math


def answer(samples, percent):
    return round(sorted(samples)[math.ceil(len(samples) * percent / 100) - 1], 3)
