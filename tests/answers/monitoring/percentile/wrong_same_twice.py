import math


def answer(samples, percent):
    different = sorted(set(samples))
    return different[math.ceil(len(different) * percent / 100) - 1]
