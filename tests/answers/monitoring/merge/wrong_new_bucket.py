def answer(workers):
    together = {}
    for counts in workers:
        for bucket, count in counts.items():
            together[bucket] += count
    return together
