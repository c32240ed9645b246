import itertools

numbers = itertools.cycle(range(1000))


def answer(ttl):
    return ttl * (0.9 + 0.1 * next(numbers) / 999)
