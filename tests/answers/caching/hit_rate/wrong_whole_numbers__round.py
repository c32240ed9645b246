def answer(hits, misses):
    return round(hits / (hits + misses)) if hits else 0
