def answer(hits, misses):
    return (hits - misses) / max(1, hits + misses)
