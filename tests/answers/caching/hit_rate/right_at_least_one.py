def answer(hits, misses):
    return hits / max(1, hits + misses)
