def answer(workers):
    buckets = {bucket for counts in workers for bucket in counts}
    return {bucket: max(counts.get(bucket, 0) for counts in workers) for bucket in buckets}
