from collections import Counter


def answer(workers):
    together = Counter()
    for counts in workers:
        together.update(counts)
    return together
