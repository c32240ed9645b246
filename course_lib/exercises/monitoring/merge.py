"""Exercise: merge the counts of several workers."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.merged_counts import WORKERS, added, mistakes_in, same_counts
from course_lib.exercises.verdict import Refusal, brief


class Merge(Exercise):
    """Counts add up; percentiles don't."""

    lesson = "monitoring"
    name = "merge"
    task = """Each worker has counted how many of its requests fell into which bucket, for instance
`{10: 4, 20: 1}`: four requests of up to 10 ms, and one of more than that, up to 20 ms.

Write `merge(workers)`, for a list of any number of such dicts: it returns one dict, with the counts
of all of them together. From it you can read every percentile of all requests. The workers go on
counting in their dicts, so leave those unchanged."""
    stub = """def merge(workers):
    together = {}
    # for each worker, for each of its buckets: add its count
    return ..."""
    hints = (
        "Two workers, `{10: 4, 20: 1}` and `{10: 1, 50: 2}`: by hand, that's `{10: 5, 20: 1, 50: "
        "2}`.",
        "Two loops, one inside the other: over the workers, and over `counts.items()` of each.",
        "A bucket that isn't there yet counts 0: `together.get(bucket, 0)`.",
    )
    praise = (
        "Nothing is lost or rounded: these counts lead to the same percentiles that a single "
        "worker would have measured."
    )
    refusals: ClassVar = {
        "averages_percentiles": (
            "That's one number. You can't combine numbers such as a P90, whether averaged or "
            "weighted.",
            "Combine the counts: a dict, from bucket to count.",
        ),
        "last_one_wins": (
            "If two workers have the same bucket, only one of the counts is left: `update` and `|` "
            "replace.",
            "Add to the count that's there.",
        ),
        "averaged": (
            "Those are mean counts. The P90 may come out right, but the number of requests never "
            "does.",
            "Just add.",
        ),
        "largest_count": (
            "Only the largest of the workers' counts is left.",
            "Add them all up.",
        ),
        "first_ones_buckets": (
            "A bucket that the first worker doesn't have is missing: the slow worker's requests "
            "are lost.",
            "Go through the buckets of every worker.",
        ),
        "common_buckets": (
            "Only buckets that every worker has are left.",
            "A worker without a bucket has counted 0 in it: the others still count.",
        ),
        "a_worker_missing": (
            "The counts of one or more workers are missing.",
            "Go through the whole list.",
        ),
        "same_dict": (
            "If there's only one worker, the result is that worker's own dict: it changes while "
            "the worker goes on counting.",
            "Add up in a new dict, for one worker too.",
        ),
        "changes_a_worker": (
            "A worker's own counts have changed, so the next merge would count its neighbors "
            "twice.",
            "Add up in a new dict.",
        ),
        "not_merged": (
            "Those are all the workers' counts, but not in one dict.",
            "One dict: from bucket to count.",
        ),
        "counts_workers": (
            "You counted how many workers have the bucket, not their requests.",
            "Add the count that each worker has in this bucket.",
        ),
        "text_keys": (
            'The buckets became text: `10` and `"10"` are two different keys of a dict.',
            "Use each bucket unchanged as the key.",
        ),
        "lists_of_counts": (
            "Each bucket has a list of counts instead of their sum.",
            "Add to the count that's there.",
        ),
        "new_bucket": (
            "Your code raised a KeyError: a bucket that isn't there yet can't be added to.",
            "A bucket that isn't there counts 0: `together.get(bucket, 0)`.",
        ),
        "carried_over": (
            "Counts of an earlier call are still in the result: your dict outlives the call.",
            "Make the new dict inside the function, not outside and not as a default argument.",
        ),
        "another_count": (
            "Those aren't the counts of all workers together.",
            "Try two small dicts by hand.",
        ),
    }

    @staticmethod
    def merge(workers):
        """Return how many requests of all workers fell into which bucket."""
        together = {}
        for counts in workers:
            for bucket, count in counts.items():
                together[bucket] = together.get(bucket, 0) + count
        return together

    def judge(self, answer: Callable[[list[dict[int, int]]], Mapping[int, int]]) -> None:
        """Try three workers, five with a slow one, one, an empty one, two alike, and none."""
        self._earlier: list[dict[int, int]] = []
        for workers in WORKERS:
            self._compare(answer, workers)
            self._earlier += workers
        only = {10: 3}
        if self.call(answer, [only], copied=False) is only:
            call = f"counts = {only}; merge([counts])"
            self.refuse("same_dict", call=call, got="counts itself", expected="a new dict")

    def _compare(self, answer: Callable[..., Any], workers: list[dict[int, int]]) -> None:
        passed = list(map(dict, workers))
        call = self.called(workers)
        right = added(workers)
        expected = brief(right)
        try:
            result = self.call(answer, passed, copied=False, expected=expected)
        except Refusal as refusal:
            if refusal.got.startswith("KeyError"):
                self.refuse("new_bucket", call=call, got=refusal.got, expected=expected)
            raise
        mistakes = {
            "averages_percentiles": as_number(result) is not None,
            "not_merged": isinstance(result, list | tuple),
            "wrong_type": not hasattr(result, "items"),
        }
        self.refuse_first(mistakes, call=call, got=brief(result), expected="one dict")
        if passed != workers:
            got, unchanged = brief(list(passed)), "workers as they were"
            self.refuse("changes_a_worker", call=call, got=got, expected=unchanged)
        if same_counts(result, right):
            return
        known = mistakes_in(workers)
        known["carried_over"] = [added(self._earlier + workers)]
        mistake = self.recognize(result, known, same_counts) or "another_count"
        self.refuse(mistake, call=call, got=brief(result), expected=expected)
