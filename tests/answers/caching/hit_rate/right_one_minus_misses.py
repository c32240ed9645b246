def answer(hits, misses):
    lookups = hits + misses
    if lookups == 0:
        return 0.0
    return 1 - misses / lookups
