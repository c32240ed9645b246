import random


def answer(ttl):
    return random.randint(int(0.9 * ttl), ttl)
