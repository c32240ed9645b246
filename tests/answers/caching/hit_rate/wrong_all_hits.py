def answer(hits, misses):
    if not misses:
        return 0.0
    return hits / (hits + misses)
