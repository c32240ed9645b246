def answer(hits, misses):
    if hits + misses == 0:
        return None
    return hits / (hits + misses)
