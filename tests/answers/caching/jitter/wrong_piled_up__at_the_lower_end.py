import random


def answer(ttl):
    return max(0.9 * ttl, random.uniform(0.5 * ttl, ttl))
