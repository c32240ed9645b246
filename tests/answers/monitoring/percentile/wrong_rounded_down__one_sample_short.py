import math


def answer(samples, percent):
    rank = math.ceil((len(samples) - 1) * percent / 100)
    return sorted(samples)[max(rank, 1) - 1]
