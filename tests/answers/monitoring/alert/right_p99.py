import math


def answer(requests, now):
    recent = sorted(seconds for moment, seconds in requests if moment > now - 300)
    # More than 1% are slow just where the nearest-rank P99 is slow.
    return len(recent) >= 100 and recent[math.ceil(99 * len(recent) / 100) - 1] > 0.5
