import heapq
import math


def answer(samples, percent):
    return heapq.nsmallest(math.ceil(percent * len(samples) / 100), samples)[-1]
