"""Exercise: spread TTLs, so that what was stored together doesn't expire together."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief

SAMPLES = 16_000
# The largest distance between the share of TTLs up to some point and that of an even distribution
# (the statistic of Kolmogorov and Smirnov). An even one exceeds it once in a billion checks.
MOST_UNEVEN = 0.026


class Jitter(Exercise):
    """Entries stored together shouldn't expire together, nor later than promised."""

    lesson = "caching"
    limit = 3.0
    name = "jitter"
    task = """At a restart a thousand keys are stored within one second, all with a TTL of 300: five
minutes later they're all loaded again within one second. Write `jitter(ttl)`: a random TTL
(seconds) for one key, evenly distributed from `0.9 * ttl` to `ttl`. Never more than `ttl`, because
that's how stale a value may get."""
    imports = "import random\n\n\n"
    stub = imports + "def jitter(ttl):\n    return ..."
    hints = (
        "Python's `random.random()` returns a number from 0 to 1, and `random.uniform(a, b)` one "
        "from a to b.",
        "From which number to which? Both depend on `ttl`, so both are `ttl` times something.",
        "The lower end is `0.9 * ttl`, the upper end `ttl` itself.",
    )
    praise = "Spread over a tenth of the TTL, and never beyond it."
    refusals: ClassVar = {
        "no_spread": (
            "All keys got the same TTL, so they still expire together.",
            "Use `random` in each call.",
        ),
        "longer_than_promised": (
            "Some TTLs are longer than `ttl`: their values get more stale than promised.",
            "Subtract from `ttl`; don't add to it.",
        ),
        "too_short": (
            "Some TTLs are less than nine tenths of `ttl`: more loads than necessary.",
            "The lower end is `0.9 * ttl`.",
        ),
        "fixed_seconds": (
            "The spread is the same number of seconds for every TTL: too little for a long one, "
            "too much for a short one.",
            "Make it a share of `ttl`.",
        ),
        "few_ttls": (
            "There are only a few different TTLs, so what was stored together still expires in a "
            "few batches.",
            "Keep the fraction that `random.uniform` returns, in seconds, and don't round.",
        ),
        "piled_up": (
            "Many keys got exactly the same TTL, an end of the range: values that are cut off pile "
            "up there.",
            "Draw from the range itself, instead of drawing from a wider one and cutting it off.",
        ),
        "uneven": (
            "The TTLs crowd in one part of the range: more keys expire together there than "
            "necessary.",
            "Evenly distributed means that every part of the range is equally likely: "
            "`random.uniform`.",
        ),
        "in_order": (
            "Each TTL follows from the one before, as with a counter: another process draws the "
            "same TTLs in the same order.",
            "Draw a random number in each call: `random.uniform`.",
        ),
        "a_share_alone": (
            "That's a share, from 0.9 to 1, not a TTL.",
            "Multiply it by `ttl`.",
        ),
        "milliseconds": (
            "That's a thousand times too long: `ttl` is in seconds.",
            "Return seconds.",
        ),
        "too_narrow": (
            "The TTLs don't cover the range from `0.9 * ttl` to `ttl`.",
            "`random.uniform` takes the two ends.",
        ),
    }

    @staticmethod
    def jitter(ttl):
        """Return a random TTL from the last tenth before `ttl`."""
        return random.uniform(0.9 * ttl, ttl)

    def judge(self, answer: Any) -> None:
        """Draw many TTLs for a long TTL and for a short one, so many that luck doesn't count."""
        long = self._ttls(answer, 1_000)
        short = self._ttls(answer, 5)
        day = self._ttls(answer, 86_400, 200)
        for mistake, was_made, got in _mistakes(long, short, day):
            if was_made:
                call = f"{self.name}(1000) and {self.name}(5), {SAMPLES} times each"
                self.refuse(mistake, call=call, got=got)

    def _ttls(self, answer: Any, ttl: int, samples: int = SAMPLES) -> list[float]:
        def many_times(ttl: int) -> list[Any]:
            return [answer(ttl) for _ in range(samples)]

        self.call(answer, ttl)  # refuses the stub, and what isn't a function
        ttls = []
        for result in self.call(many_times, ttl):
            seconds = as_number(result)
            if seconds is None or not math.isfinite(seconds):
                call, expected = self.called(ttl), "a number of seconds"
                self.refuse("wrong_type", call=call, got=brief(result), expected=expected)
            ttls.append(seconds)
        return ttls


def _mistakes(
    long: list[float], short: list[float], day: list[float]
) -> Iterable[tuple[str, bool, str]]:
    """Return each misconception, whether the TTLs for 1,000 and 5 seconds show it, and how.

    The few TTLs for a day show whether the spread has a limit.
    """
    longest, shortest = max(long), min(long)
    spread = longest - shortest
    short_spread = max(short) - min(short)
    day_spread = max(day) - min(day)
    is_fixed = abs(spread - short_spread) < 0.1 * spread
    different = len(set(short))
    most_equal = max(Counter(long).values())
    uneven = max(_unevenness(long, 1_000), _unevenness(short, 5))
    quarters = _by_quarter(long)
    rises = sum(later > earlier for earlier, later in itertools.pairwise(long))
    largest = f"up to {longest:.1f} for 1000"
    smallest = f"down to {shortest:.1f} for 1000"
    whole_range = f"from {shortest:.1f} to {longest:.1f} for 1000"
    return (
        ("a_share_alone", longest <= 1, f"up to {longest:.2f} for 1000"),
        ("milliseconds", shortest >= 100_000, f"up to {longest:,.0f} for 1000"),
        ("no_spread", spread == 0, f"always {long[0]:g}"),
        ("fixed_seconds", is_fixed, f"a spread of {spread:.0f} for 1000"),
        ("longer_than_promised", longest > 1_000 or max(short) > 5, largest),
        ("few_ttls", different < 200, f"{different} different TTLs for 5"),
        ("too_short", shortest < 899.9 or min(short) < 4.49, smallest),
        (
            "piled_up",
            most_equal > SAMPLES / 100,
            f"{most_equal} of {SAMPLES} keys with the same TTL",
        ),
        ("too_narrow", spread < 93, whole_range),
        ("uneven", uneven > MOST_UNEVEN, f"keys by quarter of the range: {quarters}"),
        ("too_narrow", spread < 99 or short_spread < 0.495, whole_range),
        ("in_order", abs(rises / SAMPLES - 0.5) > 0.05, f"{rises} of {SAMPLES} above the last"),
        ("fixed_seconds", day_spread < 7_300, f"a spread of {day_spread:.0f} for 86400"),
    )


def _unevenness(ttls: Sequence[float], ttl: float) -> float:
    """Return how far the TTLs are from evenly distributed: 0 is even, 1 is all at one end."""
    distances = []
    for number, seconds in enumerate(sorted(ttls)):
        position = 10 * seconds / ttl - 9  # 0 at nine tenths of `ttl`, 1 at `ttl`
        share_below = number / len(ttls)
        distances.append(abs(position - share_below))
    return max(distances)


def _by_quarter(ttls: Sequence[float]) -> list[int]:
    """Return how many TTLs are in each quarter of the range from 900 to 1000."""
    counts = Counter(int(4 * (ttl - 900) / 100.001) for ttl in ttls)
    return [counts[quarter] for quarter in range(4)]
