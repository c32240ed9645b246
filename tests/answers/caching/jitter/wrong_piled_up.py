import random


def answer(ttl):
    return min(ttl, random.uniform(0.9 * ttl, 1.1 * ttl))
