def answer(hits, misses):
    return hits / (hits + misses)
