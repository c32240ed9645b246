import math


def answer(samples, percent):
    return sorted(samples)[math.ceil(len(samples) / 100 * percent) - 1]
