from functools import reduce


def answer(workers):
    return reduce(lambda a, b: {k: a.get(k, 0) + b.get(k, 0) for k in {*a, *b}}, workers)
