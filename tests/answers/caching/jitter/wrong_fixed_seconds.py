import random


def answer(ttl):
    return ttl - random.uniform(0, 30)
