import math


def answer(samples, percent):
    samples = sorted(samples)
    return math.ceil(len(samples) * percent / 100)
