def answer(hits, misses):
    return round(hits / (hits + misses), 2) if hits + misses else 0.0
