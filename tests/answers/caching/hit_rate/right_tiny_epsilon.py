def answer(hits, misses):
    return hits / (hits + misses + 1e-12)
