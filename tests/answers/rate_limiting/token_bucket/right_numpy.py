import numpy as np


def answer(tokens, elapsed, rate, burst):
    level = np.clip(np.float64(tokens) + elapsed * rate, 0, burst)
    allowed = level >= 1
    return allowed, level - allowed
