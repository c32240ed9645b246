def answer(hits, misses):
    return hits // (hits + misses) if hits + misses else 0
