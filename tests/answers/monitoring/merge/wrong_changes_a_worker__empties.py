def answer(workers):
    together = {}
    for counts in workers:
        while counts:
            bucket, count = counts.popitem()
            together[bucket] = together.get(bucket, 0) + count
    return together
