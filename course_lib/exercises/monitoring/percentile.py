"""The nearest rank: a percentile is one of the samples."""

import math
import random
from collections.abc import Callable, Sequence
from typing import ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.fakes import UncopiedList
from course_lib.exercises.verdict import brief
from course_lib.lab import bench


class Percentile(Exercise):
    """The nearest rank: a percentile is one of the samples."""

    lesson = "monitoring"
    name = "percentile"
    task = """The P90 of a hundred requests is the 90th, when they are sorted by their time. In general, by the
**nearest rank**:

1. **sort** the samples, and leave the caller's list as it was
2. **rank**: of `n` samples the P`percent` is number `n * percent / 100`, rounded **up**, counted from 1
3. **pick** that one

Write `percentile(samples, percent)`. There is at least one sample, and `percent` is a whole number from 1 to 100."""
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
        "Step 1 is `sorted(samples)`, which makes a new list; step 2 `math.ceil(len(samples) * percent / 100)`.",
        "Step 3: ranks are counted from 1 and Python's places from 0, so rank 5 stands at place 4.",
    )
    praise = "A time that a request really took; and the same whoever counts, for there is one definition."
    refusals: ClassVar = {
        "interpolates": (
            "That lies between two samples, so no request took as long. It is how numpy and `statistics.quantiles` "
            "reckon when nothing else is said.",
            "Nearest rank picks a sample: round the rank up.",
        ),
        "one_too_far": (
            "That is the next sample: where the rank is a whole number, it was taken for a place counted from 0.",
            "Rank 1 stands at place 0: take one off, after rounding up.",
        ),
        "rounded_down": (
            "The rank was rounded down or to the nearest, so fewer samples than asked for lie at or under it.",
            "Round up: `math.ceil`.",
        ),
        "not_sorted": (
            "That is what stands at this place in the order in which the samples came.",
            "Sort them first.",
        ),
        "longest_first": (
            "The ranks were counted from the longest sample.",
            "Sort from the shortest up.",
        ),
        "rank_itself": (
            "That is the rank, not the sample that has it.",
            "Step 3: pick it from the sorted samples.",
        ),
        "share_of_longest": (
            "That is so many percent of the longest sample. A percentile counts samples; how long the longest is does "
            "not matter.",
            "Sort, count, pick.",
        ),
        "mean": ("That is the mean, whatever percent was asked for.", "Sort, count, pick."),
        "float_rank": (
            "28% of 25 samples is number 7. But `28 / 100 * 25` is 7.000000000000001 for a computer, and rounded up "
            "that is 8.",
            "Multiply first, then divide: `len(samples) * percent / 100`.",
        ),
        "sorts_the_callers": (
            "Afterwards the caller's list is sorted: that of which request came when is lost.",
            "`sorted(samples)` makes a new list; `samples.sort()` changes the old one.",
        ),
        "another_number": (
            "That is not the sample with this rank.",
            "Try ten samples by hand: the P50 is the 5th.",
        ),
    }

    @staticmethod
    def percentile(samples, percent):
        """The smallest sample that at least `percent` % of the samples do not exceed."""
        rank = math.ceil(len(samples) * percent / 100)
        return sorted(samples)[rank - 1]

    def judge(self, answer: Callable[[Sequence[float], int], float]) -> None:
        """Ranks that are whole numbers and that are not, the longest, a single sample, and a rank that floats spoil."""
        for count, percent in ((37, 90), (20, 30), (10, 95), (37, 1), (25, 28), (20, 100), (1, 50)):
            samples = UncopiedList(_latencies(count))
            before = list(samples)
            result = self.call(answer, samples, percent)
            got, expected = as_number(result), bench.percentile(before, percent)
            call = f"percentile(samples, {percent}), of {count} samples"
            if got is None:
                self.refuse("wrong_type", call=call, got=brief(result), expected="a number")
            if got != expected:
                mistake = _percentile_mistake(got, before, percent)
                self.refuse(mistake, call=call, got=brief(result), expected=brief(expected))
            if samples != before:
                self.refuse(
                    "sorts_the_callers",
                    call=call,
                    got="samples in another order",
                    expected="as they came",
                )


def _latencies(count: int) -> list[float]:
    """Milliseconds, no two alike, in no order, and not evenly spread."""
    chance = random.Random(count)
    return [
        round(20 * 1.1**place + chance.random(), 3) for place in chance.sample(range(count), count)
    ]


def _percentile_mistake(got: float, samples: list[float], percent: int) -> str:
    """Which misconception about percentiles gives this number."""
    count, in_order = len(samples), sorted(samples)
    exact = count * percent / 100
    rank = math.ceil(exact)

    def at(place: float) -> float:
        return in_order[min(max(int(place), 0), count - 1)]

    between = (count - 1) * percent / 100
    linear = at(between) + (at(between + 1) - at(between)) * (between % 1)
    exclusive = (count + 1) * percent / 100 - 1
    quantile = at(exclusive) + (at(exclusive + 1) - at(exclusive)) * (exclusive % 1)
    known = (
        ("interpolates", linear),
        ("interpolates", quantile),
        ("not_sorted", samples[rank - 1]),
        ("longest_first", at(count - rank)),
        ("rank_itself", rank),
        ("share_of_longest", max(samples) * percent / 100),
        ("mean", sum(samples) / count),
        ("float_rank", at(math.ceil(percent / 100 * count) - 1)),
        ("one_too_far", at(rank)),
        ("rounded_down", at(exact - 1)),
        ("rounded_down", at(round(exact) - 1)),
    )
    return next((mistake for mistake, value in known if abs(got - value) < 1e-9), "another_number")
