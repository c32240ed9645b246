import random


def answer(ttl):
    return random.uniform(max(0.9 * ttl, ttl - 600), ttl)
