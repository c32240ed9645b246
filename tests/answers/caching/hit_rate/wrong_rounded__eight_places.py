def answer(hits, misses):
    return round(hits / max(1, hits + misses), 8)
