def answer(hits, misses):
    return hits / lookups
