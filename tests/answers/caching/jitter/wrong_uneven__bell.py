import random


def answer(ttl):
    return ttl * (0.9 + 0.1 * (random.random() + random.random()) / 2)
