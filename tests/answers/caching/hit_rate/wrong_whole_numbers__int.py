def answer(hits, misses):
    return int(hits / max(1, hits + misses))
