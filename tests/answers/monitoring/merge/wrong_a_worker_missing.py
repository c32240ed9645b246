from collections import Counter


def answer(workers):
    return Counter(workers[0]) + Counter(workers[1])
