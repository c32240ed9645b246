import math


def answer(samples, percent):
    samples.sort()
    return samples[math.ceil(len(samples) * percent / 100) - 1]
