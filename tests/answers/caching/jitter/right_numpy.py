import numpy as np

chance = np.random.default_rng()


def answer(ttl):
    return chance.uniform(0.9, 1.0) * ttl
