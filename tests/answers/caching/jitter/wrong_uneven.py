import random


def answer(ttl):
    return ttl * (1 - 0.1 * random.random() ** 3)
