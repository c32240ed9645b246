import math


def p90(counts):
    rank = math.ceil(sum(counts.values()) * 0.9)
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return bucket
    return 0


def answer(workers):
    return sum(map(p90, workers)) / max(len(workers), 1)
