import random


def answer(ttl):
    return 0.95 * ttl
