import random


def answer(ttl):
    return random.uniform(0.9 * ttl, ttl) if random.random() < 0.98 else ttl
