"""Count times as equal that differ by chance at most, so that the same input gives the same advice.

2.00 ms, the first time --> 2.00 ms
2.05 ms                 --> 2.00 ms, a tie
2.30 ms                 --> 2.30 ms
"""

from collections import defaultdict
from collections.abc import Hashable

TIE, SHORTEST_TIE = 0.05, 2e-6  # of the time, and seconds


def tolerance(seconds: float) -> float:
    """Return the difference that may be chance, for a time of this length."""
    return TIE * seconds + SHORTEST_TIE


class Ties:
    """The times that were seen first, each for all that are about the same, by what was timed."""

    def __init__(self) -> None:
        self._times: defaultdict[Hashable, list[float]] = defaultdict(list)

    def same(self, timed: Hashable, seconds: float, whole: float | None = None) -> float:
        """Return the first of the times that are about the same as this one.

        `whole` is the time that was measured, if `seconds` is only a part of it.
        """
        most = tolerance(seconds if whole is None else whole)
        for known in self._times[timed]:
            if abs(seconds - known) <= most:
                return known
        self._times[timed].append(seconds)
        return seconds
