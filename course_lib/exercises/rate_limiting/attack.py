"""Exercise: get more through a fixed window than its limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief
from course_lib.lab.replays import replay
from course_lib.limiter import Limit

LONGEST = 2_000  # requests


class Attack(Exercise):
    """A fixed window forgets everything at its boundary, and anyone can know when that is."""

    lesson = "rate_limiting"
    limit = 10.0
    name = "attack"
    task = """A fixed window allows `limit` requests in each window of `seconds`; windows begin at
0, at `seconds`, at `2 * seconds` and so on. Get as many requests as you can through within **some**
stretch of `seconds`, wherever it begins. Write `attack(limit, seconds)`: it returns a list of the
times, in seconds from 0 on, at which you send a request, such as `[3.5, 3.5, 4]`; at most two
thousand."""
    stub = "def attack(limit, seconds):\n    return ..."
    hints = (
        "When a new window begins, what does the limiter still know about the last one?",
        "Nothing. So use up one window as late as you can, and the next one as early as you can.",
        "`[time] * limit` is a list of `limit` requests at the same time. Join two such lists "
        "with `+`; the time of the second one is `seconds`.",
    )
    praise = "You got twice the limit within one stretch, and broke none of the limiter's rules."
    refusals: ClassVar = {
        "one_window": (
            "All the requests that got through belong to one window, so they're no more than the "
            "limit.",
            "How many windows can one stretch of that length touch?",
        ),
        "too_far_apart": (
            "You used up two windows, but so far apart that no stretch of this length contains "
            "both.",
            "Move the first burst towards the end of its window.",
        ),
        "not_used_up": (
            "Your requests are in two windows, but they don't use up either of them.",
            "`limit` requests fit into each window, not into both together.",
        ),
        "evenly": (
            "Spread evenly, your requests are what the limit was made for, and hardly more than "
            "that get through.",
            "Don't spread them: to a fixed window, early and late are the same.",
        ),
        "not_all": (
            "That's more than the limit, but not the most you can get.",
            "Use up both windows: `limit` requests on each side of the boundary.",
        ),
        "one_limit_only": (
            "It works for one limit, but not for another.",
            "Compute the number of requests, and their times, from `limit` and `seconds`.",
        ),
        "before_zero": (
            "Some requests are before 0.",
            "Time begins at 0: the first boundary you can use is at `seconds`.",
        ),
        "too_many": (
            "You sent more than two thousand requests: fewer will do.",
            "Rejected requests don't help you; twice `limit` is enough.",
        ),
    }

    @staticmethod
    def attack(limit, seconds):
        """Use up one window at its end, and the next one at its beginning."""
        return [0.99 * seconds] * limit + [seconds] * limit

    async def judge(self, answer: Any) -> None:
        """Measure the most that gets through in some stretch, for three limits."""
        rounds = []
        for limit, seconds in ((100, 60), (7, 10), (150, 3_600)):
            call = self.called(limit, seconds)
            result = await self.call_async(answer, limit, seconds)
            moments = self._moments(call, result)
            replayed = await replay(moments, "fixed_window", Limit(limit, seconds))
            most, allowed = replayed.most(seconds), sum(replayed.passed)
            times = len(set(moments))
            windows = len({moment // seconds for moment in moments})
            rounds.append(_Round(call, limit, seconds, most, allowed, times, windows))
        worst = min(rounds, key=lambda one: one.share)
        if worst.share == 2:
            return
        is_spread = worst.share <= 1.5 and worst.times > max(worst.limit / 2, 3)
        mistakes = {
            "one_limit_only": any(one.share == 2 for one in rounds),
            "evenly": is_spread,
            "not_all": worst.share > 1,
            "not_used_up": worst.allowed <= worst.limit and worst.windows > 1,
            "one_window": worst.allowed <= worst.limit,
            "too_far_apart": True,
        }
        stretch = f"{worst.seconds} s"
        got = f"{worst.most} got through in the busiest {stretch}, {worst.allowed} in all"
        expected = f"more than {worst.most} in some {stretch}"
        self.refuse_first(mistakes, call=worst.call, got=got, expected=expected)

    def _moments(self, call: str, result: Any) -> list[float]:
        """Return the times of an answer as numbers. Refuses anything else."""
        expected = "a list of times, in seconds"
        if not isinstance(result, Sequence) or isinstance(result, str):
            self.refuse("wrong_type", call=call, got=brief(result), expected=expected)
        if len(result) > LONGEST:
            self.refuse("too_many", call=call, got=f"{len(result):,} requests")
        moments = []
        for moment in result:
            number = as_number(moment)
            if number is not None and abs(number) < 10**7:
                moments.append(number)
        if not moments or len(moments) < len(result):
            self.refuse("wrong_type", call=call, got=brief(result), expected=expected)
        first = min(moments)
        if first < 0:
            self.refuse("before_zero", call=call, got=f"the first at {first:g} s")
        return moments


@dataclass(frozen=True)
class _Round:
    """The requests of an attack that one limit let through."""

    call: str
    limit: int
    seconds: int
    most: int
    """Requests that got through in the busiest stretch."""
    allowed: int
    """All requests that got through."""
    times: int
    """Different times at which requests were sent."""
    windows: int
    """Windows in which requests were sent."""

    @property
    def share(self) -> float:
        """`most` as a multiple of the limit."""
        return self.most / self.limit
