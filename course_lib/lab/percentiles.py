"""Nearest-rank percentiles, and how many samples each one needs before it's shown."""

import math
from collections.abc import Callable, Mapping, Sequence

from course_lib.lab import show

# P90 of nine samples, or P99 of ninety-nine, would only be the maximum under another name.
FEWEST_SAMPLES = {50: 1, 90: 10, 99: 100}


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that at least `percent` % of the samples don't exceed.

    This is the nearest-rank percentile. Raises ValueError if there are no samples.
    """
    if not len(samples):
        raise ValueError("a percentile needs at least one sample")
    return sorted(samples)[nearest_rank(len(samples), percent)]


def percentiles(
    samples: Sequence[float], fewest: Mapping[int, int] = FEWEST_SAMPLES
) -> dict[str, str]:
    """Return P50, P90 and P99 of samples in seconds, as a table shows them.

    `fewest` is the number of samples that each needs; with fewer samples it's a dash.
    """
    return shown_percentiles(len(samples), lambda percent: percentile(samples, percent), fewest)


def shown_percentiles(
    count: int, find: Callable[[int], float], fewest: Mapping[int, int] = FEWEST_SAMPLES
) -> dict[str, str]:
    """Return the same as `percentiles`, for `count` samples that aren't in a list.

    `find(90)` returns their P90, in seconds.
    """
    shown = {}
    for percent, needed in fewest.items():
        name = f"P{percent}"
        if count < needed:
            shown[name] = "-"
        else:
            shown[name] = show.duration(find(percent))
    return shown


def nearest_rank(count: int, percent: float) -> int:
    """Return the position of a percentile among `count` sorted samples, from 0."""
    # 28% of 25 is 7, but floats make it a little more, which would round up to 8.
    rank = math.ceil(round(percent * count / 100, 9))
    return max(rank - 1, 0)
