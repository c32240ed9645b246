import random


def answer(ttl):
    return random.uniform(0.95 * ttl, ttl)
