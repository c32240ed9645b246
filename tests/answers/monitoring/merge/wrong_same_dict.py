def answer(workers):
    if len(workers) == 1:
        return workers[0]
    together = {}
    for counts in workers:
        for bucket, count in counts.items():
            together[bucket] = together.get(bucket, 0) + count
    return together
