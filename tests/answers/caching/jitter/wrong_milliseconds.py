import random


def answer(ttl):
    return 1000 * random.uniform(0.9 * ttl, ttl)
