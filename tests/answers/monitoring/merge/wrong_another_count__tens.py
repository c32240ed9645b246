def answer(workers):
    together = {}
    for counts in workers:
        for bucket, count in counts.items():
            tens = bucket // 10 * 10
            together[tens] = together.get(tens, 0) + count
    return together
