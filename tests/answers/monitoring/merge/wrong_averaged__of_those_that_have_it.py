import statistics


def answer(workers):
    buckets = {bucket for counts in workers for bucket in counts}
    return {
        bucket: statistics.mean(counts[bucket] for counts in workers if bucket in counts)
        for bucket in buckets
    }
