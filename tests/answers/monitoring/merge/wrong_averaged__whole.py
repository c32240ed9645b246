from collections import Counter


def answer(workers):
    together = Counter()
    for counts in workers:
        together.update(counts)
    return {bucket: count // len(workers) for bucket, count in together.items()}
