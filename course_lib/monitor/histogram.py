"""How many durations were about how long: counts, which add up, and the percentiles that follow from them.

Percentiles cannot be averaged: the P90 of two workers is not the mean of their P90s. Counts can be added. So what is
kept is how many values lie in each bucket, and buckets grow by a fixed factor, which bounds the *relative* error of
every percentile: DDSketch (Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
Guarantees", PVLDB 12(12), 2019).
"""

import bisect
import itertools
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

SHORTEST, LONGEST = 1e-6, 86_400.0  # seconds; what lies outside counts as the nearest of them

_log = math.log  # looked up once: values are counted in fractions of a microsecond


class Histogram:
    """How many values (seconds) lie in each of a row of buckets, of which each is wider by the same factor.

    A percentile is off by `relative_error` at most, for values from 1 microsecond to a day; others are taken for the
    nearest of these, and counted as `clamped`. Adding histograms up loses nothing. Memory: 10 KB at 1%.
    """

    __slots__ = ("_first", "_growth", "clamped", "counts", "longest", "relative_error", "total")

    def __init__(self, relative_error: float = 0.01) -> None:
        if not 0.0005 <= relative_error <= 0.5:
            raise ValueError(
                f"relative_error is {relative_error!r}: give a share from 0.0005 to 0.5, such as 0.01"
            )
        self.relative_error = relative_error
        # Bucket i begins at SHORTEST * factor ** i; with this factor its middle is off by the relative error at most.
        self._growth = 1 / math.log((1 + relative_error) / (1 - relative_error))
        self._first = -math.log(SHORTEST) * self._growth
        self.counts = array("Q", bytes(8 * (1 + self._place(LONGEST))))
        self.clamped = 0
        self.total = self.longest = 0  # nanoseconds: whole numbers add up to the same in any order

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def _place(self, seconds: float) -> int:
        return int(_log(seconds) * self._growth + self._first)

    def add(self, seconds: float) -> None:
        """Count a value. ValueError for one that is no duration."""
        self.add_all((seconds,))

    def add_all(self, values: Iterable[float]) -> None:
        """Count several values, each of which costs less than alone. ValueError at one that is no duration."""
        counts, growth, first, total, longest = (
            self.counts,
            self._growth,
            self._first,
            self.total,
            self.longest,
        )
        try:
            for value in values:
                seconds = value if SHORTEST <= value <= LONGEST else self._clamped(value)
                counts[int(_log(seconds) * growth + first)] += 1
                nanoseconds = int(seconds * 1e9 + 0.5)
                total += nanoseconds
                if nanoseconds > longest:  # noqa: PLR1730  max() takes twice as long
                    longest = nanoseconds
        finally:
            self.total, self.longest = total, longest

    def _clamped(self, seconds: float) -> float:
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a duration is {seconds!r}: give seconds, 0 or more")
        self.clamped += 1
        return min(max(seconds, SHORTEST), LONGEST)

    def merge(self, other: "Histogram") -> None:
        """Add another one's counts. ValueError where its buckets are others."""
        if other.relative_error != self.relative_error:
            raise ValueError(
                f"errors of {self.relative_error} and {other.relative_error} cannot be merged"
            )
        self.add_dump(Histogram.dump(other))

    def percentiles(self, *percents: float) -> list[float]:
        """The nearest-rank percentiles in seconds: each of the value that so many % of the values do not exceed."""
        up_to = list(itertools.accumulate(self.counts))
        if not up_to[-1]:
            raise ValueError("a percentile needs at least one value")
        ranks = [max(math.ceil(round(percent * up_to[-1] / 100, 9)), 1) for percent in percents]
        return [self._middle(bisect.bisect_left(up_to, rank)) for rank in ranks]

    def below(self, seconds: float) -> int:
        """How many values are shorter than so many seconds, which are taken within the relative error."""
        return sum(self.counts[: round(_log(seconds) * self._growth + self._first)])

    def _middle(self, place: int) -> float:
        """What stands for all values of a bucket."""
        low = math.exp((place - self._first) / self._growth)
        return min(low * (1 + self.relative_error), self.longest / 1e9)

    def dump(self) -> list[Any]:
        """All that is counted, as JSON can hold it: of the buckets those from the first to the last in use."""
        content = self.counts.tobytes()
        first = (len(content) - len(content.lstrip(b"\0"))) // 8
        counts = self.counts[first : -(-len(content.rstrip(b"\0")) // 8)].tolist()
        return [self.total, self.longest, self.clamped, first, counts]

    def add_dump(self, dump: Sequence[Any], times: int = 1) -> None:
        """Add what another one has counted; or take it off again, with `times=-1`."""
        total, longest, clamped, first, counts = dump
        self.total += total * times
        self.longest = max(self.longest, longest)
        self.clamped += clamped * times
        for place, count in enumerate(counts, first):
            if count:
                self.counts[place] += count * times
