def answer(hits, misses):
    return misses / hits if hits else 0.0
