def answer(hits, misses):
    lookups = hits + misses
    return 100 * hits / lookups if lookups else 0.0
