def answer(workers):
    together = {}
    for counts in workers:
        for bucket, count in counts.items():
            together[str(bucket)] = together.get(str(bucket), 0) + count
    return together
