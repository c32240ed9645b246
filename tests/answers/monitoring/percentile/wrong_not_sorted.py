import math


def answer(samples, percent):
    return samples[math.ceil(len(samples) * percent / 100) - 1]
