"""The counts of workers, added up correctly, and by each misconception about merging.

The exercise `merge` compares an answer with both.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Counts = Mapping[int, int]
"""The number of requests in each bucket."""

# Three workers, five with a slow one, one, an empty one, two alike, and none.
WORKERS: tuple[list[dict[int, int]], ...] = (
    [{10: 4, 20: 3}, {10: 9, 50: 6}, {10: 1}],
    [
        {20: 3, 10: 90, 50: 7, 5: 8},
        {10: 80, 20: 20},
        {10: 70, 20: 9},
        {256: 60, 500: 40, 50: 2},
        {10: 1, 20: 5},
    ],
    [{10: 3, 30: 1}],
    [{10: 2}, {}, {10: 5}],
    [{10: 2, 20: 1}, {10: 2, 20: 1}, {10: 7}],
    [],
)


def added(workers: Sequence[Counts]) -> dict[int, int]:
    """Return the counts of all workers together."""
    total: Counter[int] = Counter()
    for counts in workers:
        total += Counter(counts)
    return dict(total)


def same_counts(got: Any, expected: Any) -> bool:
    """Return True if both have the same counts; a bucket with a count of 0 is like none."""
    try:
        got_counts = {bucket: count for bucket, count in got.items() if count}
        expected_counts = {bucket: count for bucket, count in expected.items() if count}
        return got_counts == expected_counts
    except Exception:
        return False


def mistakes_in(workers: Sequence[Counts]) -> dict[str, list[Any]]:
    """Return the results that each misconception leads to."""
    together = added(workers)
    lists = _lists_of_counts(workers)
    having = {bucket: len(counts) for bucket, counts in lists.items()}
    largest = {bucket: max(counts) for bucket, counts in lists.items()}
    text_keys = {str(bucket): count for bucket, count in together.items()}
    first_ones = set(workers[0]) if workers else set()
    common = {bucket for bucket in together if having[bucket] == len(workers)}
    return {
        "last_one_wins": [_overwritten(workers), _overwritten(workers[::-1])],
        "averaged": [
            {bucket: count / len(workers) for bucket, count in together.items()},
            {bucket: count // len(workers) for bucket, count in together.items()},
            {bucket: count / having[bucket] for bucket, count in together.items()},
        ],
        "counts_workers": [having],
        "text_keys": [text_keys],
        "lists_of_counts": [lists],
        "largest_count": [largest],
        "first_ones_buckets": [{bucket: together[bucket] for bucket in first_ones}],
        "common_buckets": [{bucket: together[bucket] for bucket in common}],
        "a_worker_missing": _some_missing(workers),
    }


def _lists_of_counts(workers: Sequence[Counts]) -> dict[int, list[int]]:
    """Return, for each bucket, the counts of the workers that have it."""
    lists: dict[int, list[int]] = {}
    for counts in workers:
        for bucket, count in counts.items():
            lists.setdefault(bucket, []).append(count)
    return lists


def _overwritten(workers: Sequence[Counts]) -> dict[int, int]:
    """Return the counts if each worker's replace those of the ones before it."""
    merged: dict[int, int] = {}
    for counts in workers:
        merged.update(counts)
    return merged


def _some_missing(workers: Sequence[Counts]) -> list[dict[int, int]]:
    """Return the counts without one of the workers, and those of only the first few."""
    all_but_one, only_first = [], []
    for number in range(len(workers)):
        all_but_one.append(added([*workers[:number], *workers[number + 1 :]]))
        only_first.append(added(workers[:number]))
    return [*all_but_one, *only_first]
