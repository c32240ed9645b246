import random


def answer(ttl):
    return ttl * random.uniform(0.5, 1)
