"""What was stored together should not expire together, nor later than was promised."""

import math
import random
from collections import Counter
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise, brief


class Jitter(Exercise):
    """What was stored together should not expire together, nor later than was promised."""

    lesson = "caching"
    name = "jitter"
    task = """At a restart a thousand keys are stored in one second, all with a TTL of 300: five minutes later they are
all loaded again in one second. Write `jitter(ttl)`: the lifetime (seconds) of one key, at random, evenly from
`0.9 * ttl` to `ttl`. Never longer than `ttl`, for that is how old a value may be."""
    imports = "import random\n\n\n"
    stub = imports + "def jitter(ttl):\n    return ..."
    hints = (
        "Python's `random.random()` gives a number from 0 to 1, and `random.uniform(a, b)` one from a to b.",
        "From which number to which? Both depend on `ttl`, so both are `ttl` times something.",
        "The lower end is `0.9 * ttl`, the upper end `ttl` itself.",
    )
    praise = "Spread over a tenth of the lifetime, and never beyond it."
    refusals: ClassVar = {
        "no_spread": (
            "All keys were given the same lifetime, so they still expire together.",
            "Ask `random` in each call.",
        ),
        "longer_than_promised": (
            "Some keys live longer than `ttl`: their values become older than was promised.",
            "Take away from `ttl`; do not add to it.",
        ),
        "too_short": (
            "Some keys live for less than nine tenths of `ttl`: more loads than need be.",
            "The lower end is `0.9 * ttl`.",
        ),
        "fixed_seconds": (
            "The spread is the same number of seconds for every TTL: too little for a long one, much for a short one.",
            "Make it a share of `ttl`.",
        ),
        "few_lifetimes": (
            "There are only a few different lifetimes, so what was stored together still expires in a few heaps.",
            "Keep the fraction of what `random.uniform` gives, in seconds, and round nothing.",
        ),
        "piled_up": (
            "Many keys were given the very same lifetime, an end of the range: what is cut off piles up there.",
            "Draw from the range itself, instead of drawing from a wider one and cutting.",
        ),
        "uneven": (
            "The lifetimes crowd in a part of the range: more keys expire together there than need be.",
            "Evenly means that every part of the range is as likely: `random.uniform`.",
        ),
        "a_share_alone": (
            "That is a share, from 0.9 to 1, and no lifetime.",
            "Multiply it by `ttl`.",
        ),
        "milliseconds": ("That is a thousand times too long: `ttl` counts seconds.", "Give seconds."),
        "too_narrow": (
            "The lifetimes do not fill the range from `0.9 * ttl` to `ttl`.",
            "`random.uniform` takes the two ends.",
        ),
    }

    @staticmethod
    def jitter(ttl):
        """A lifetime, evenly spread over the last tenth before `ttl`."""
        return random.uniform(0.9 * ttl, ttl)

    def judge(self, answer: Any) -> None:
        """Four hundred lifetimes of a long TTL and of a short one."""
        long, short = self._lifetimes(answer, 1_000), self._lifetimes(answer, 5)
        spread = max(long) - min(long)
        quarters = [sum(int(4 * (each - 900) / 100.001) == quarter for each in long) for quarter in range(4)]
        most = max(Counter(long).values())
        for mistake, made, got in (
            ("a_share_alone", max(long) <= 1, f"up to {max(long):.2f} for a TTL of 1000"),
            ("milliseconds", min(long) >= 100_000, f"up to {max(long):,.0f} for a TTL of 1000"),
            ("no_spread", spread == 0, f"always {long[0]:g}"),
            ("fixed_seconds", abs(spread - (max(short) - min(short))) < 0.1 * spread, f"a spread of {spread:.0f} s"),
            ("longer_than_promised", max(long) > 1_000 or max(short) > 5, f"up to {max(long):.1f} for a TTL of 1000"),
            ("few_lifetimes", len(set(short)) < 20, f"{len(set(short))} different lifetimes for a TTL of 5"),
            ("too_short", min(long) < 899.9 or min(short) < 4.49, f"down to {min(long):.1f} for a TTL of 1000"),
            ("piled_up", most > 20, f"{most} of 400 keys with the same lifetime"),
            ("too_narrow", spread < 93, f"from {min(long):.1f} to {max(long):.1f} for a TTL of 1000"),
            ("uneven", not 55 <= min(quarters) <= max(quarters) <= 150, f"by quarters of the range: {quarters} keys"),
        ):
            if made:
                self.refuse(mistake, call=f"{self.name}(1000) and {self.name}(5), 400 times each", got=got)

    def _lifetimes(self, answer: Any, ttl: int) -> list[float]:
        found = []
        for _ in range(400):
            result = self.call(answer, ttl)
            seconds = as_number(result)
            if seconds is None or math.isnan(seconds):
                self.refuse("wrong_type", call=self.called(ttl), got=brief(result), expected="a number of seconds")
            found.append(seconds)
        return found
