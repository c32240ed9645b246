def answer(workers):
    common = set.intersection(*map(set, workers)) if workers else set()
    return {bucket: sum(counts[bucket] for counts in workers) for bucket in common}
