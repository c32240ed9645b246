from collections import defaultdict


def answer(workers):
    together = defaultdict(int)
    for counts in workers:
        for bucket in counts:
            together[bucket] += counts[bucket]
    return together
