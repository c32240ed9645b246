def answer(hits, misses):
    return hits / (hits + misses) if misses else hits / hits
