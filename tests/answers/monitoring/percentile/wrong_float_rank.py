import math


def answer(samples, percent):
    return sorted(samples)[math.ceil(percent / 100 * len(samples)) - 1]
