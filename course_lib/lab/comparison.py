"""Results of `bench.compare`: ratios with their intervals, a table and a plot.

A ratio is one of medians. Its 95% interval comes from resampling the rounds (the percentile
bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from course_lib.lab import plots, show
from course_lib.lab.percentiles import nearest_rank, percentile, percentiles

RESAMPLES = 1_000
# With fewer rounds, a "95%" interval contains the true ratio less often than that.
FEWEST_ROUNDS_FOR_AN_INTERVAL = 6
ABOUT_THE_SAME = 1.1  # a plot's title doesn't mention a ratio closer to 1


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians and the bounds of its 95% interval: nan if there are too few rounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return show.number(self.value) + self.interval

    @property
    def interval(self) -> str:
        """The interval in words, " (2.9 to 3.4)" to follow the value; empty if there's none."""
        if math.isnan(self.low):
            return ""
        return f" ({show.number(self.low)} to {show.number(self.high)})"

    def inverted(self) -> "Ratio":
        """Return the ratio the other way round: how many times slower instead of faster."""
        return Ratio(1 / self.value, 1 / self.high, 1 / self.low)


@dataclass(frozen=True)
class Comparison:
    """The samples of each variant, in seconds, one per round."""

    samples: Mapping[str, Sequence[float]]

    def median(self, variant: str) -> float:
        """Return the median of a variant, in seconds. Raises ValueError if it wasn't measured."""
        return percentile(self.samples[self._measured(variant)], 50)

    def ratio(self, of: str | None = None, over: str | None = None) -> Ratio:
        """Return how many times faster the variant `of` is than `over`, by their medians.

        `of` defaults to the last variant and `over` to the first. Raises ValueError if a variant
        wasn't measured.
        """
        slow_name = self._measured(over, 0)
        fast_name = self._measured(of, -1)
        value = self.median(slow_name) / self.median(fast_name)
        slow = np.asarray(self.samples[slow_name])
        fast = np.asarray(self.samples[fast_name])
        if min(len(slow), len(fast)) < FEWEST_ROUNDS_FOR_AN_INTERVAL:
            return Ratio(value, math.nan, math.nan)
        resampled = _resampled_medians(slow) / _resampled_medians(fast)
        return Ratio(value, *_interval(resampled))

    def table(self) -> pd.DataFrame:
        """Return the median, P90, P99 and number of rounds of each variant, a row per variant.

        "times faster" compares it with the first. A percentile is a dash if there are too few
        rounds for it.
        """
        first = next(iter(self.samples))
        rows: dict[str, dict[str, object]] = {}
        for name, seconds in self.samples.items():
            shown = percentiles(seconds)
            rows[name] = {
                "median": shown["P50"],
                "P90": shown["P90"],
                "P99": shown["P99"],
                "rounds": len(seconds),
                "times faster": "1" if name == first else str(self.ratio(name)),
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def plot(self, title: str | None = None, axis: str = "time of one call") -> plots.Picture:
        """Plot every sample on one time axis, a row per variant, with the medians marked.

        The default title says how many times faster the last variant is than the first. Each
        median has a line for its 95% interval.
        """
        medians = {name: self.median(name) for name in self.samples}
        intervals = {name: _interval_of_median(seconds) for name, seconds in self.samples.items()}
        return plots.times(self.samples, medians, title or self._message(), axis, intervals)

    def _message(self) -> str:
        """Return what the plot shows, in a few words."""
        *_, last = self.samples
        ratio = self.ratio()
        if 1 / ABOUT_THE_SAME < ratio.value < ABOUT_THE_SAME:
            return f"{last}: about as fast"
        change = "faster"
        if ratio.value < 1:
            change = "slower"
            ratio = ratio.inverted()
        return f"{last}: {show.number(ratio.value)} times {change}{ratio.interval}"

    def _measured(self, variant: str | None, default: int = 0) -> str:
        """Return the name of a measured variant, the one at position `default` if it's None."""
        names = list(self.samples)
        if variant is None:
            return names[default]
        if variant not in names:
            known = ", ".join(map(repr, names))
            raise ValueError(f"no variant {variant!r} was measured; choose from {known}")
        return variant


def _interval_of_median(samples: Sequence[float]) -> tuple[float, float]:
    """Return the 95% interval of a median: nan if there are too few samples."""
    if len(samples) < FEWEST_ROUNDS_FOR_AN_INTERVAL:
        return math.nan, math.nan
    return _interval(_resampled_medians(np.asarray(samples)))


def _interval(resampled: np.ndarray) -> tuple[float, float]:
    """Return the bounds between which 95% of the resampled values are."""
    values = list(resampled)
    low = percentile(values, 2.5)
    high = percentile(values, 97.5)
    return float(low), float(high)


def _resampled_medians(samples: np.ndarray) -> np.ndarray:
    """Return the median of each resample: as many samples, drawn with replacement."""
    middle = nearest_rank(len(samples), 50)
    resamples = samples[_drawn_rounds(len(samples))]
    medians: np.ndarray = np.partition(resamples, middle, axis=1)[:, middle]
    return medians


@lru_cache(maxsize=2)  # the two sides of a ratio can have different numbers of rounds
def _drawn_rounds(count: int) -> np.ndarray:
    """Return which of `count` rounds are in each resample.

    The seed is fixed, so the same samples always have the same interval.
    """
    return np.random.default_rng(1).integers(count, size=(RESAMPLES, count))
