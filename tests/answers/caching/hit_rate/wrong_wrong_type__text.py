def answer(hits, misses):
    return f"{hits / (hits + misses):.0%}"
