import math
def answer(samples, percent):
    ordered = samples.sort()
    return ordered[math.ceil(len(samples) * percent / 100) - 1]
