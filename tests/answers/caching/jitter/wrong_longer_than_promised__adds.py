import random


def answer(ttl):
    return ttl + random.uniform(0, 0.1 * ttl)
