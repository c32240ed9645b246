from collections import Counter


def answer(workers):
    together = Counter()
    for place in range(len(workers) - 1):
        together.update(workers[place])
    return together
