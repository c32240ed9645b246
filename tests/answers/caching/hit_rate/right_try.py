def answer(hits, misses):
    try:
        return hits / (hits + misses)
    except ZeroDivisionError:
        return 0.0
