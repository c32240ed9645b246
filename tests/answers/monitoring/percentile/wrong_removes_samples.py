import math


def answer(samples, percent):
    rank = math.ceil(len(samples) * percent / 100)
    for _ in range(rank - 1):
        samples.remove(min(samples))
    return min(samples)
