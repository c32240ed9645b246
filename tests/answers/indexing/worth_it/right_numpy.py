import numpy as np

answer = dict(zip("abcde", np.array([True, False, False, True, False]), strict=True))
