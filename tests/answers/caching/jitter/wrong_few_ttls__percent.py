import random


def answer(ttl):
    return ttl * random.randint(90, 100) / 100
