"""Counts can be added, percentiles cannot."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief


class Merge(Exercise):
    """Counts can be added, percentiles cannot."""

    lesson = "monitoring"
    name = "merge"
    task = """Each worker has counted how many of its requests ended in which bucket, for instance `{10: 4, 20: 1}`:
four requests of up to 10 ms, and one of more than that, up to 20 ms.

Write `merge(workers)`, for a list of any number of such dicts: one dict, with the counts of all of them together. From
it every percentile of all requests can be read. The workers go on counting in theirs, so leave those as they are."""
    stub = """def merge(workers):
    together = {}
    # for each worker, for each of its buckets: add its count
    return ..."""
    hints = (
        "Two workers, `{10: 4, 20: 1}` and `{10: 1, 50: 2}`: by hand, that is `{10: 5, 20: 1, 50: 2}`.",
        "Two loops, one in the other: over the workers, and over `counts.items()` of each.",
        "A bucket that is not there yet counts 0: `together.get(bucket, 0)`.",
    )
    praise = "Nothing is lost or rounded: from these counts come the percentiles that one worker alone would have had."
    refusals: ClassVar = {
        "averages_percentiles": (
            "That is one number. Numbers such as a P90 cannot be put together again, whether averaged or weighted.",
            "Put the counts together: a dict, from bucket to count.",
        ),
        "last_one_wins": (
            "Where two workers have the same bucket, only one of the counts is left: `update` and `|` replace.",
            "Add to what is there.",
        ),
        "averaged": (
            "Those are mean counts. The P90 may come out right, and 'how many requests' never does.",
            "Only add.",
        ),
        "largest_count": (
            "Of several workers' counts only the largest is left.",
            "Add them all up.",
        ),
        "first_ones_buckets": (
            "A bucket that the first worker does not have is missing: the slow worker's requests are lost.",
            "Go through the buckets of every worker.",
        ),
        "common_buckets": (
            "Only buckets that every worker has are left.",
            "A worker without a bucket has counted 0 in it: the others still count.",
        ),
        "a_worker_missing": (
            "The counts of some worker are missing.",
            "Go through the whole list.",
        ),
        "changes_a_worker": (
            "Afterwards a worker's own counts are others, so the next merge would count its neighbours twice.",
            "Add up in a new dict.",
        ),
        "not_merged": (
            "That is all of the workers' counts, and not in one dict.",
            "One dict: from bucket to count.",
        ),
        "another_count": (
            "Those are not the counts of all together.",
            "Try two small dicts by hand.",
        ),
    }

    @staticmethod
    def merge(workers):
        """How many requests of all workers ended in which bucket."""
        together = {}
        for counts in workers:
            for bucket, count in counts.items():
                together[bucket] = together.get(bucket, 0) + count
        return together

    def judge(self, answer: Callable[[list[dict[int, int]]], Mapping[int, int]]) -> None:
        """Three workers, five of which one is slow, one alone, one that has counted nothing, and none at all."""
        for workers in (
            [{10: 4, 20: 3}, {10: 9, 50: 6}, {10: 1}],
            [
                {20: 3, 10: 90, 50: 7},
                {10: 80, 20: 20},
                {10: 70, 20: 9},
                {200: 60, 500: 40, 50: 2},
                {10: 1, 20: 5},
            ],
            [{10: 3, 30: 1}],
            [{10: 2}, {}, {10: 5}],
            [],
        ):
            self._compare(answer, workers)

    def _compare(
        self, answer: Callable[[list[dict[int, int]]], Mapping[int, int]], workers: list[Any]
    ) -> None:
        kept = _Counts(map(_Counted, workers))
        call = self.called(workers)
        result = self.call(answer, kept)
        if as_number(result) is not None:
            self.refuse("averages_percentiles", call=call, got=brief(result), expected="a dict")
        if isinstance(result, list | tuple):
            self.refuse("not_merged", call=call, got=brief(result), expected="one dict")
        if not hasattr(result, "items"):
            self.refuse("wrong_type", call=call, got=brief(result), expected="a dict")
        if kept != workers:
            self.refuse(
                "changes_a_worker",
                call=call,
                got=brief(list(kept)),
                expected="workers as they were",
            )
        expected = _added(workers)
        if not _alike(result, expected):
            self.refuse(
                _merge_mistake(result, workers),
                call=call,
                got=brief(result),
                expected=brief(expected),
            )


class _Counts(list[Any]):
    """As `UncopiedList`, of workers."""

    def __deepcopy__(self, _: object) -> Self:
        return self


class _Counted(dict[int, int]):
    """One worker's counts; a copy of them is a plain dict."""

    def copy(self) -> dict[int, int]:
        return dict(self)


def _added(workers: Sequence[Mapping[int, int]]) -> dict[int, int]:
    return dict(sum(map(Counter, workers), Counter()))


def _alike(one: Any, other: Any) -> bool:
    """Whether two counts say the same; a bucket of nothing is the same as none."""
    try:
        return {bucket: count for bucket, count in one.items() if count} == {
            k: v for k, v in other.items() if v
        }
    except Exception:
        return False


def _merge_mistake(got: Any, workers: Sequence[Mapping[int, int]]) -> str:
    """Which misconception about merging gives these counts."""
    buckets = {bucket for counts in workers for bucket in counts}
    whole = _added(workers)
    in_all = [bucket for bucket in buckets if all(bucket in counts for counts in workers)]
    last = {bucket: count for counts in workers for bucket, count in counts.items()}
    first = {bucket: count for counts in reversed(workers) for bucket, count in counts.items()}
    known = [
        ("last_one_wins", last),
        ("last_one_wins", first),
        ("averaged", {bucket: count / len(workers) for bucket, count in whole.items()}),
        ("averaged", {bucket: count // len(workers) for bucket, count in whole.items()}),
        (
            "largest_count",
            {bucket: max(counts.get(bucket, 0) for counts in workers) for bucket in buckets},
        ),
        ("first_ones_buckets", {bucket: whole[bucket] for bucket in workers[0]} if workers else {}),
        ("common_buckets", {bucket: whole[bucket] for bucket in in_all}),
        *[
            ("a_worker_missing", _added([*workers[:place], *workers[place + 1 :]]))
            for place in range(len(workers))
        ],
        *[("a_worker_missing", _added(workers[:count])) for count in range(len(workers))],
    ]
    return next((mistake for mistake, counts in known if _alike(got, counts)), "another_count")
