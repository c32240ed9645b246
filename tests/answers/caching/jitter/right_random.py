import random


def answer(ttl):
    return ttl * (1 - random.random() / 10)
