def answer(hits, misses):
    return int(100 * hits / max(1, hits + misses)) / 100
