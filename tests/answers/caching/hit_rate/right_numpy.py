import numpy as np


def answer(hits, misses):
    return np.float64(hits) / max(hits + misses, 1)
