import math


def answer(samples, percent):
    in_order = sorted(samples)[:100]
    return in_order[math.ceil(len(in_order) * percent / 100) - 1]
