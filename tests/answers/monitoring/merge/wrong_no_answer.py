def answer(workers):
    together = {}
    for counts in workers:
        for bucket, count in counts.items():
            together[bucket] = together.get(bucket, 0) + count
