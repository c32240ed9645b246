import copy


def answer(workers):
    rest = copy.deepcopy(workers)
    together = rest.pop() if rest else {}
    for counts in rest:
        for bucket in counts:
            together[bucket] = together.get(bucket, 0) + counts[bucket]
    return together
