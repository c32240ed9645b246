def answer(workers):
    together = {}
    for counts in workers:
        together.update(counts)
    return together
