import math
def answer(samples, percent):
    return int(sorted(samples)[math.ceil(len(samples) * percent / 100) - 1])
