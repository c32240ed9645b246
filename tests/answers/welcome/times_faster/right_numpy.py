import numpy as np


def answer(before, after):
    return np.divide(before, after)
