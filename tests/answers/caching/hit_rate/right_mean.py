from statistics import mean


def answer(hits, misses):
    return mean([1.0] * hits + [0.0] * misses or [0.0])
