def answer(workers):
    requests = sum(sum(counts.values()) for counts in workers)
    return sum(max(counts, default=0) * sum(counts.values()) for counts in workers) / (requests or 1)
