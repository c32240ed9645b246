import math


def answer(samples, percent):
    if percent > 98:
        return max(samples)
    return sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]
