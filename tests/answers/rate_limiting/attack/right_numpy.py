import numpy as np


def answer(limit, seconds):
    return list(np.linspace(0.9 * seconds, 1.1 * seconds, 6 * limit))
