"""The exercises of lesson 4 about figures: percentiles, counts that add up, and what to read from the metrics."""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from course_lib.exercises.engine import Exercise, brief
from course_lib.exercises.welcome import as_number
from course_lib.lab import bench
from course_lib.monitor import Metrics


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
            samples = _Kept(_latencies(count))
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


class _Kept(list[float]):
    """A list that is handed on as it is, so that a change is seen."""

    def __deepcopy__(self, _: object) -> Self:
        return self


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
    """As `_Kept`, of workers."""

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


class FindIt(Exercise):
    """Where the time goes: how often times how long."""

    lesson = "monitoring"
    name = "find_it"
    task = """Which endpoint should be made faster first? The one that all users together wait for most: whoever halves
*that* saves the most.

Write `find_it(metrics)`: it is given what the monitor knows, and returns an endpoint's name. `metrics` is a dict. For
each endpoint, such as `"GET /items"`, it has `.count`, `.errors`, and in seconds `.mean`, `.p50`, `.p90`, `.p99` and
`.max`."""
    stub = """def find_it(metrics):
    return ...  # the name of an endpoint"""
    hints = (
        "An endpoint answers 10 requests of 2 seconds, another 4,000 of 0.05. For which do people wait longer in all?",
        "How often times how long, for each. Of all those figures just one, times `count`, gives the sum.",
        "`max(metrics, key=...)` gives the name whose key is greatest; the key is a function of the name.",
    )
    praise = "How often, times how long: the mean says little of a single request, and all about the sum."
    refusals: ClassVar = {
        "slowest_first": (
            "That one is the slowest, and it is seldom called. Making it twice as fast saves little.",
            "Take into account how often each is called.",
        ),
        "worst_case": (
            "That one had the slowest single requests. They are worth a look; the sum of all waiting lies elsewhere.",
            "Take into account how often each is called, and how long all of its requests took.",
        ),
        "busiest_first": (
            "That one is called most, and its answers take next to nothing.",
            "Take into account how long each takes, too.",
        ),
        "most_errors": (
            "That one fails most: worth an alarm of its own. Asked for was where the time goes.",
            "How often times how long.",
        ),
        "percentile_times_count": (
            "A percentile is one request's time. Times the count, it is what would be if all took as long.",
            "One of the figures, times `count`, gives the sum of all times: which?",
        ),
        "least": ("That is the one with the least to gain.", "`max`, not `min`."),
        "first_listed": (
            "That one stands first in the dict, and the order of a dict is no measurement.",
            "Compare all of them.",
        ),
        "not_a_name": (
            "That is not the name of an endpoint.",
            'Return a key of `metrics`, such as `"GET /items"`.',
        ),
        "another_endpoint": (
            "People wait longer for another one.",
            "How often times how long, for each.",
        ),
    }

    @staticmethod
    def find_it(metrics):
        """The endpoint that took most time in all."""
        return max(metrics, key=lambda endpoint: metrics[endpoint].count * metrics[endpoint].mean)

    def judge(self, answer: Callable[[Mapping[str, Metrics]], str]) -> None:
        """Two services, in each of which every other rule finds another endpoint."""
        for factor, order in ((1.0, 1), (0.1, -1)):
            metrics = _service(factor, order)
            result = self.call(answer, metrics)
            if not isinstance(result, str) or result not in metrics:
                self.refuse(
                    "not_a_name",
                    call="find_it(metrics)",
                    got=brief(result),
                    expected="a key of metrics",
                )
            costs = {endpoint: each.count * each.mean for endpoint, each in metrics.items()}
            costliest = max(costs, key=costs.__getitem__)
            if result != costliest:
                each = metrics[result]
                got = f"{result!r}: {each.count:,} requests of {each.mean:g} s on average, {costs[result]:,.0f} s in all"
                expected = f"one for which people wait {costs[costliest]:,.0f} s in all"
                self.refuse(
                    _find_mistake(result, metrics),
                    call="find_it(metrics)",
                    got=got,
                    expected=expected,
                )


def _service(factor: float, order: int) -> dict[str, Metrics]:
    """What a monitor may know of a service: requests, errors, and mean, P50, P90, P99 and longest in seconds."""
    rows = {
        "GET /items": (1_000, 2, 0.02, 0.02, 0.03, 0.05, 0.1),
        "GET /health": (90_000, 0, 0.0005, 0.0004, 0.001, 0.002, 0.01),
        "GET /report": (12, 0, 4.0, 4.2, 5.0, 5.5, 6.0),
        "GET /search": (6_000, 3, 0.045, 0.03, 0.09, 0.3, 1.2),
        "POST /pay": (900, 80, 0.12, 0.1, 0.2, 0.5, 2.0),
        "GET /export": (300, 0, 0.4, 0.1, 0.9, 8.0, 9.0),
        "POST /upload": (150, 1, 0.9, 0.4, 1.5, 4.0, 40.0),
        "GET /list": (2_500, 0, 0.09, 0.12, 0.13, 0.14, 0.2),
        "GET /stats": (8_000, 0, 0.03, 0.002, 0.2, 0.4, 0.6),
        "GET /feed": (4_000, 1, 0.02, 0.02, 0.03, 0.04, 0.1),
        "GET /docs": (40, 0, 0.001, 0.001, 0.002, 0.003, 0.004),
    }
    metrics = {}
    for endpoint, (count, errors, *seconds) in list(rows.items())[::order]:
        mean, p50, p90, p99, longest = (factor * each for each in seconds)
        metrics[endpoint] = Metrics(
            int(count), count * mean, mean, p50, p90, p99, longest, errors=int(errors)
        )
    return metrics


def _find_mistake(found: str, metrics: Mapping[str, Metrics]) -> str:
    """Which misconception finds this endpoint."""
    rules: tuple[tuple[str, Callable[[Metrics], float]], ...] = (
        ("busiest_first", lambda each: each.count),
        ("slowest_first", lambda each: each.mean),
        ("worst_case", lambda each: each.p99),
        ("worst_case", lambda each: each.max),
        ("most_errors", lambda each: each.errors),
        ("percentile_times_count", lambda each: each.p50 * each.count),
        ("percentile_times_count", lambda each: each.p90 * each.count),
        ("percentile_times_count", lambda each: each.p99 * each.count),
        ("least", lambda each: -each.mean * each.count),
    )
    for mistake, rule in rules:
        if found == max(metrics, key=lambda endpoint: rule(metrics[endpoint])):
            return mistake
    return "first_listed" if found == next(iter(metrics)) else "another_endpoint"


class Bucket(Exercise):
    """Buckets that grow by a factor: the same relative error for a microsecond and for a day."""

    lesson = "monitoring"
    name = "bucket"
    task = """A monitor cannot keep every duration. It keeps counts, in numbered buckets. Write `bucket(seconds)`: the
whole number of the bucket for a duration from a microsecond (`1e-6`) to a day (`86_400`), so that

- two durations in the same bucket differ by **2% at most** (then the middle is within 1% of either),
- a longer duration is never in a bucket with a lower number,
- there are no more than 2,000 buckets."""
    imports = "import math\n\n\n"
    stub = imports + "def bucket(seconds):\n    return ..."
    hints = (
        "2% of a microsecond is very little, 2% of a day half an hour: the buckets must grow with the durations.",
        "If each bucket is 1.02 times as wide as the one before, which power of 1.02 is a duration?",
        "That is its logarithm to the base 1.02: `math.log(seconds, 1.02)`. And a bucket has a whole number.",
    )
    praise = "From a microsecond to a day in less than 1,300 counts, each percentile within 1%, and all of it adds up."
    refusals: ClassVar = {
        "equal_widths": (
            "The buckets are equally wide. For long durations that is finer than anybody needs, and all of the short "
            "ones lie in one.",
            "Let the width grow with the duration: use a logarithm.",
        ),
        "too_wide": (
            "Two durations that differ by more than 2% lie in one bucket.",
            "Let each bucket begin at 1.02 times the beginning of the one before.",
        ),
        "too_many": (
            "That makes more than 2,000 buckets: nothing would be saved by counting.",
            "1.02 to the power of 1,273 is a day in microseconds; about so many are needed.",
        ),
        "folded": (
            "A longer duration lies in a bucket with a lower number, so nobody can walk from the quickest up.",
            "The number must only rise with the duration; `abs` and `%` fold it back.",
        ),
        "not_whole": (
            "That is not a whole number, so nearly every duration is a bucket of its own.",
            "`math.floor`.",
        ),
        "round_zero": (
            "`int` cuts towards 0, so the last bucket below 0 and the first above it are one, of twice the width.",
            "`math.floor` goes down on both sides; or begin to count at a microsecond.",
        ),
    }

    @staticmethod
    def bucket(seconds):
        """The number of the bucket, each 2% wider than the one before."""
        return math.floor(math.log(seconds, 1.02))

    def judge(self, answer: Callable[[float], int]) -> None:
        """Durations that are 0.4% apart, from a microsecond to a day."""
        durations = [1e-6 * 1.004**step for step in range(int(math.log(86_400e6, 1.004)) + 1)]
        numbers = [self._number(answer, duration) for duration in durations]
        begins: dict[int, float] = {}
        for duration, number, before in zip(
            durations, numbers, [numbers[0], *numbers], strict=False
        ):
            call = f"bucket({duration:.4g})"
            if number < before:
                self.refuse(
                    "folded",
                    call=call,
                    got=str(number),
                    expected=f"{before} or more, as for a shorter one",
                )
            first = begins.setdefault(number, duration)
            if duration > 1.0201 * first:
                got = f"{number}, as for {first:.4g} s, a time {duration / first - 1:.1%} shorter or more"
                self.refuse(
                    self._too_wide(answer, number, duration),
                    call=call,
                    got=got,
                    expected="another bucket",
                )
        if len(begins) > 2_000:
            self.refuse(
                "too_many",
                call="bucket, from 1e-6 to 86_400",
                got=f"more than {len(begins):,} buckets",
            )

    def _number(self, answer: Callable[[float], int], duration: float) -> int:
        result = self.call(answer, duration)
        number = as_number(result)
        call = f"bucket({duration:.4g})"
        if number is None or not math.isfinite(number):
            self.refuse("wrong_type", call=call, got=brief(result), expected="a whole number")
        if number != int(number):
            self.refuse("not_whole", call=call, got=brief(result), expected="a whole number")
        return int(number)

    def _too_wide(self, answer: Callable[[float], int], number: int, duration: float) -> str:
        if (
            number == 0
            and self._number(answer, duration * 1.03) == 1
            and self._number(answer, duration / 1.03) == -1
        ):
            return "round_zero"
        longest = [self._number(answer, seconds) for seconds in (80_000.0, 82_000.0, 84_000.0)]
        return (
            "equal_widths"
            if longest[2] - longest[1] == longest[1] - longest[0] > 100
            else "too_wide"
        )


percentile = Percentile()
merge = Merge()
find_it = FindIt()
bucket = Bucket()
