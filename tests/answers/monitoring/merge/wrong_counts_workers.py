def answer(workers):
    together = {}
    for counts in workers:
        for bucket in counts:
            together[bucket] = together.get(bucket, 0) + 1
    return together
