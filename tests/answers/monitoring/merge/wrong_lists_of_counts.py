def answer(workers):
    together = {}
    for counts in workers:
        for bucket, count in counts.items():
            together.setdefault(bucket, []).append(count)
    return together
