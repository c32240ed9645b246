def answer(hits, misses):
    lookups = hits + misses
    return misses / lookups if lookups else 0.0
