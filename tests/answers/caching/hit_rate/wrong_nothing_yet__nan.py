import numpy as np


def answer(hits, misses):
    with np.errstate(invalid="ignore"):
        return np.float64(hits) / (hits + misses)
