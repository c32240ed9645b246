"""Exercise: percentiles by nearest rank."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief
from course_lib.lab import bench

# Numbers of samples and percentiles, for ranks that are whole numbers and that aren't.
CASES = ((37, 90), (20, 30), (10, 95), (37, 1), (25, 28), (20, 100), (1, 50), (28, 25))
MORE_CASES = ((10, 50), (250, 99))
MOSTLY_EQUAL: list[float] = [500, *[10] * 6, 7, 10, 10]


class Percentile(Exercise):
    """The nearest rank: a percentile is one of the samples."""

    lesson = "monitoring"
    name = "percentile"
    task = """The P90 of a hundred requests is the 90th when you sort them by latency. In general,
by **nearest rank**:

1. **sort** the samples, and leave the caller's list unchanged
2. **rank**: the P`percent` of `n` samples is number `n * percent / 100`, rounded **up**, counting
   from 1
3. **pick** that one

Write `percentile(samples, percent)`. There's at least one sample, and `percent` is a whole number
from 1 to 100."""
    imports = "import math\n\n\n"
    stub = (
        imports
        + """def percentile(samples, percent):
    # 1 sort
    # 2 rank
    return ...  # 3 pick"""
    )
    hints = (
        "Which of ten samples is the P50, and which the P95? Do it by hand first: ranks 5 and 10.",
        "Step 1 is `sorted(samples)`, which makes a new list; step 2 is "
        "`math.ceil(len(samples) * percent / 100)`.",
        "Step 3: ranks count from 1 and Python's indexes from 0, so rank 5 has index 4.",
    )
    praise = (
        "That's a time that a request really took. (NumPy's default, and most spreadsheets', lies "
        "between two requests.)"
    )
    refusals: ClassVar = {
        "interpolates": (
            "That's between two samples, so no request took that long. It's what NumPy and "
            "`statistics.quantiles` compute by default.",
            "Nearest rank picks a sample: round the rank up.",
        ),
        "one_too_far": (
            "That's the next sample: if the rank is a whole number, you used it as an index that "
            "starts at 0.",
            "Rank 1 has index 0: subtract one, after rounding up.",
        ),
        "rounded_down": (
            "Your rank is too low: too few samples are at or below the result.",
            "The rank is `n * percent / 100`, with all `n` samples, rounded up: `math.ceil`.",
        ),
        "not_sorted": (
            "That's the sample at this position in the order in which they came.",
            "Sort them first.",
        ),
        "longest_first": (
            "You counted the ranks from the longest sample.",
            "Sort from the shortest up.",
        ),
        "rounded_sample": (
            "You rounded the sample, so no request took exactly that long.",
            "Return the sample unchanged; round only the rank.",
        ),
        "rank_itself": (
            "That's the rank, not the sample that has it.",
            "Step 3: pick it from the sorted samples.",
        ),
        "share_of_longest": (
            "That's a percentage of the longest sample. A percentile counts samples; how long the "
            "longest is doesn't matter.",
            "Sort, count, pick.",
        ),
        "mean": ("That's the mean, whatever the percentage.", "Sort, count, pick."),
        "float_rank": (
            "The rank is a whole number here, but in floating point you got a little more, and "
            "rounded that up: for instance, `28 / 100 * 25` is 7.000000000000001.",
            "Multiply first, then divide: `len(samples) * percent / 100`.",
        ),
        "sorts_the_callers": (
            "The caller's list is sorted now: the order in which the requests came is lost.",
            "`sorted(samples)` makes a new list; `samples.sort()` changes the old one, and returns "
            "None.",
        ),
        "same_twice": (
            "Equal times were counted once. Two requests that took equally long are two samples.",
            "Sort all the samples; `set` and the keys of a dict drop the second one.",
        ),
        "removes_samples": (
            "Samples are missing from the caller's list now: you took them out of it.",
            "Take the sample by its index; `pop` removes it, and `sorted(samples)` makes a copy.",
        ),
        "another_number": (
            "That's not the sample with this rank.",
            "Try ten samples by hand: the P50 is the 5th.",
        ),
    }

    @staticmethod
    def percentile(samples, percent):
        """Return the smallest sample that at least `percent` % of the samples don't exceed."""
        rank = math.ceil(len(samples) * percent / 100)
        return sorted(samples)[rank - 1]

    def judge(self, answer: Callable[[Sequence[float], int], float]) -> None:
        """Try ranks that are whole numbers and that aren't, one sample, and a rank floats spoil."""
        for count, percent in (*CASES, *MORE_CASES):
            self._compare(answer, _latencies(count), percent)
        for percent in (90, 30, 91):
            self._compare(answer, MOSTLY_EQUAL, percent)

    def _compare(self, answer: Callable[..., Any], before: list[float], percent: int) -> None:
        samples = list(before)
        right = bench.percentile(before, percent)
        expected = brief(right)
        call = f"percentile(samples, {percent}), of {len(before)} samples"
        try:
            result = self.call(answer, samples, percent, copied=False, expected=expected)
        except Refusal as refusal:
            if samples != before and sorted(samples) == sorted(before):
                self.refuse("sorts_the_callers", call=call, got=refusal.got, expected=expected)
            raise
        number = as_number(result)
        if number is None:
            self.refuse("wrong_type", call=call, got=brief(result), expected="a number")
        if number != right:
            mistake = self.recognize(number, _mistakes(before, percent)) or "another_number"
            self.refuse(mistake, call=call, got=brief(result), expected=expected)
        if len(samples) < len(before):
            left = f"{len(samples)} samples left"
            self.refuse("removes_samples", call=call, got=left, expected=f"{len(before)}")
        if samples != before:
            order = "samples in a different order"
            self.refuse("sorts_the_callers", call=call, got=order, expected="the order unchanged")


def _latencies(count: int) -> list[float]:
    """Return milliseconds, all different, in no order, and not evenly spread."""
    generator = random.Random(count)
    exponents = generator.sample(range(count), count)
    return [round(20 * 1.1**exponent + generator.random(), 6) for exponent in exponents]


def _of_different(samples: list[float], percent: int) -> float:
    different = sorted(set(samples))
    return different[math.ceil(len(different) * percent / 100) - 1]


def _mistakes(samples: list[float], percent: int) -> dict[str, list[float]]:
    """Return what each misconception about percentiles leads to."""
    count, in_order = len(samples), sorted(samples)
    exact = count * percent / 100
    rank = math.ceil(exact)

    def at(index: float) -> float:
        return in_order[min(max(int(index), 0), count - 1)]

    def between(index: float) -> float:
        return at(index) + (at(index + 1) - at(index)) * (index % 1)

    return {
        "same_twice": [_of_different(samples, percent)],
        "interpolates": [
            between((count - 1) * percent / 100),
            between((count + 1) * percent / 100 - 1),
        ],
        "not_sorted": [samples[rank - 1]],
        "longest_first": [at(count - rank)],
        "rank_itself": [rank],
        "share_of_longest": [max(samples) * percent / 100],
        "mean": [sum(samples) / count],
        "float_rank": [
            at(math.ceil(percent / 100 * count) - 1),
            at(math.ceil(count / 100 * percent) - 1),
        ],
        "one_too_far": [at(rank)],
        "rounded_down": [at(exact - 1), at(round(exact) - 1)],
        "rounded_sample": [
            int(at(rank - 1)),
            *(round(at(rank - 1), places) for places in range(6)),
        ],
    }
