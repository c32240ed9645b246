def answer(hits, misses):
    if not hits:
        return 0.0
    return 1 / (1 + misses / hits)
