import math


def answer(samples, percent):
    return sorted(samples)[math.ceil(len(samples) * percent / 100)]
