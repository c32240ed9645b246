def answer(hits, misses):
    lookups = 0
    while lookups < hits + misses:
        rate = hits / max(1, lookups)
    return rate
