def answer(workers):
    return {bucket: sum(counts.get(bucket, 0) for counts in workers) for bucket in (workers or [{}])[0]}
