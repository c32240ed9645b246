def answer(hits, misses):
    return hits / (hits + misses) if hits + misses > 1 else 0.0
