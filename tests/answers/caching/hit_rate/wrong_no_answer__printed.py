def answer(hits, misses):
    print(hits / (hits + misses))
