import random


def answer(ttl):
    return random.triangular(0.9 * ttl, ttl)
