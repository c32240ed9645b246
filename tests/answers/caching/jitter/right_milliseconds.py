import random


def answer(ttl):
    return random.randint(900 * ttl, 1000 * ttl) / 1000
