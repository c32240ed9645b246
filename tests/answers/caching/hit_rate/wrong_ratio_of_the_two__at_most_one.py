def answer(hits, misses):
    return min(1.0, hits / max(1, misses))
