def answer(workers):
    together = workers[0]
    for counts in workers[1:]:
        for bucket, count in counts.items():
            together[bucket] = together.get(bucket, 0) + count
    return together
