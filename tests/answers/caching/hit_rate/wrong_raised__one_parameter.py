def answer(hits):
    return hits / lookups
