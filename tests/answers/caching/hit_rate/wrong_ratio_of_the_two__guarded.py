def answer(hits, misses):
    return hits / misses if misses else 0.0
