import math


def answer(requests, now):
    recent = sorted(seconds for moment, seconds in requests if moment >= now - 300)
    return len(recent) >= 100 and recent[math.ceil(0.99 * len(recent)) - 1] > 0.5
