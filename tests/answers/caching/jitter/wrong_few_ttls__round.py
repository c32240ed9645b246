import random


def answer(ttl):
    return round(random.uniform(0.9 * ttl, ttl))
