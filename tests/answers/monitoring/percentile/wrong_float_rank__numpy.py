import numpy as np


def answer(samples, percent):
    return np.percentile(samples, percent, method="inverted_cdf")
