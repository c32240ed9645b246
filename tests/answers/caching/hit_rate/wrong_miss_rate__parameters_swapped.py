def answer(misses, hits):
    return hits / max(1, hits + misses)
