import random


def answer(ttl):
    return ttl - random.uniform(0, ttl * 0.1)
