def answer(hits, misses):
    return misses * 100 / (hits + misses)
