from collections import Counter


def answer(workers):
    return sum((Counter(counts) for counts in workers), Counter())
