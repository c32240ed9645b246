import math
import statistics


def answer(samples, percent):
    if percent == 50:
        return statistics.median(samples)
    return sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]
