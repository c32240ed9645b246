def answer(workers):
    together = {}
    for items in {tuple(counts.items()) for counts in workers}:
        for bucket, count in items:
            together[bucket] = together.get(bucket, 0) + count
    return together
