"""Histograms of durations that can be merged, and percentiles with a bounded relative error.

Percentiles can't be averaged: the P90 of two workers isn't the mean of their P90s. Counts can be
added. So a histogram stores how many values fall into each bucket. Buckets grow by a fixed factor,
which bounds the *relative* error of every percentile:

    bucket             0           1            2              ...
    from (seconds)     SHORTEST    SHORTEST*f   SHORTEST*f*f   ...    f = (1 + error) / (1 - error)

Source: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
Guarantees", PVLDB 12(12), 2019.
"""

import bisect
import itertools
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from course_lib.monitor.arguments import check_share

SHORTEST = 1e-6  # seconds; a shorter duration counts as this one
LONGEST = 86_400.0  # seconds; a longer duration counts as this one
COUNT_BYTES = 8  # of an unsigned integer in `array("Q")`
NANOSECONDS = 1e9  # in a second

# Looked up once, because adding a value takes a fraction of a microsecond. `floor` is faster than
# `int`, and the same for numbers that aren't negative.
_log, _floor = math.log, math.floor


class Histogram:
    """Count durations (seconds) in buckets that grow by a fixed factor.

    Percentiles are within `relative_error` of the exact value for durations from a microsecond to a
    day. Other durations count as the nearest of these two, and in `clamped`. Merging loses nothing.
    Memory: 10 KB at 1%.
    """

    __slots__ = ("_first", "_growth", "clamped", "counts", "longest", "relative_error", "total")

    def __init__(self, relative_error: float = 0.01) -> None:
        if not 0.0005 <= check_share("relative_error", relative_error) <= 0.5:
            raise ValueError(
                f"relative_error is {relative_error!r}: pass a share from 0.0005 to 0.5, like 0.01"
            )
        self.relative_error = relative_error
        # With this factor, the representative of a bucket is off by the relative error at most.
        factor = (1 + relative_error) / (1 - relative_error)
        self._growth = 1 / math.log(factor)
        self._first = -math.log(SHORTEST) * self._growth
        buckets = 1 + int(_log(LONGEST) * self._growth + self._first)
        self.counts = array("Q", bytes(COUNT_BYTES * buckets))
        self.clamped = 0
        # In nanoseconds: whole numbers add up to the same sum in any order.
        self.total = 0
        self.longest = 0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.counts)

    def add(self, seconds: float) -> None:
        """Count a duration. Raises ValueError if it's negative, infinite or NaN."""
        self.add_all((seconds,))

    def add_all(self, values: Iterable[float]) -> None:
        """Count several durations, which costs less per duration than `add`.

        Raises ValueError at one that's negative, infinite or NaN; those before it are counted.
        """
        # Local variables, because this loop runs once for each request.
        counts, growth, first = self.counts, self._growth, self._first
        total, longest = self.total, self.longest
        try:
            for value in values:
                seconds = value if SHORTEST <= value <= LONGEST else self._clamp(value)
                counts[_floor(_log(seconds) * growth + first)] += 1
                nanoseconds = _floor(seconds * 1e9 + 0.5)
                total += nanoseconds
                if nanoseconds > longest:  # noqa: PLR1730  max() takes twice as long
                    longest = nanoseconds
        finally:
            self.total = total
            self.longest = longest

    def _clamp(self, seconds: float) -> float:
        if not 0 <= seconds < math.inf:
            raise ValueError(f"duration is {seconds!r}: pass seconds, 0 or more")
        self.clamped += 1
        return min(max(seconds, SHORTEST), LONGEST)

    def merge(self, other: "Histogram") -> None:
        """Add another histogram's counts. Raises ValueError if its relative error differs."""
        if other.relative_error != self.relative_error:
            errors = f"{self.relative_error} and {other.relative_error}"
            raise ValueError(f"relative errors of {errors} can't be merged: use the same for both")
        self.add_dump(Histogram.dump(other))

    def percentiles(self, *percents: float) -> list[float]:
        """Return the nearest-rank percentiles in seconds.

        The P90 is the smallest duration such that at least 90% of all durations are no longer.
        Raises ValueError if the histogram is empty.
        """
        cumulative = list(itertools.accumulate(self.counts))
        count = cumulative[-1]
        if not count:
            raise ValueError("a percentile needs at least one value: add some first")
        percentiles = []
        for percent in percents:
            exact_rank = round(percent * count / 100, 9)  # not 40,959.00000000001
            rank = max(math.ceil(exact_rank), 1)
            bucket = bisect.bisect_left(cumulative, rank)
            percentiles.append(self._representative(bucket))
        return percentiles

    def below(self, seconds: float) -> int:
        """Return how many durations are shorter than `seconds`, within the relative error."""
        first_not_below = round(_log(seconds) * self._growth + self._first)
        return sum(self.counts[:first_not_below])

    def _representative(self, bucket: int) -> float:
        """Return the duration that's within the relative error of all durations in a bucket."""
        start = math.exp((bucket - self._first) / self._growth)
        return min(start * (1 + self.relative_error), self.longest / NANOSECONDS)

    def dump(self) -> list[Any]:
        """Return everything counted, in a form that JSON can hold.

        A list of the total, the longest duration (both in nanoseconds), the number of clamped
        durations, the first bucket in use, and the counts from there to the last one in use.
        """
        content = self.counts.tobytes()
        leading_zeros = len(content) - len(content.lstrip(b"\0"))
        first = leading_zeros // COUNT_BYTES
        end = math.ceil(len(content.rstrip(b"\0")) / COUNT_BYTES)
        return [self.total, self.longest, self.clamped, first, self.counts[first:end].tolist()]

    def add_dump(self, dump: Sequence[Any], times: int = 1) -> None:
        """Add what another histogram has counted; subtract it with `times=-1`."""
        total, longest, clamped, first, counts = dump
        self.total += total * times
        self.longest = max(self.longest, longest)
        self.clamped += clamped * times
        for bucket, count in enumerate(counts, first):
            if count:
                self.counts[bucket] += count * times
