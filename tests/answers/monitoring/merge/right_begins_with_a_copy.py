def answer(workers):
    if not workers:
        return {}
    first, *others = workers
    together = first.copy()
    for counts in others:
        for bucket in counts:
            together[bucket] = together.get(bucket, 0) + counts[bucket]
    return together
