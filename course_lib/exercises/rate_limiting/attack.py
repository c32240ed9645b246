"""A fixed window forgets at its boundary, and everybody knows when that is."""

from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief
from course_lib.lab.replay import replay
from course_lib.limiter import Limit


class Attack(Exercise):
    """A fixed window forgets at its boundary, and everybody knows when that is."""

    lesson = "rate_limiting"
    limit = 10.0
    name = "attack"
    task = """A fixed window lets `limit` requests pass in each window of so many `seconds`; windows begin at 0, at
`seconds`, at `2 * seconds` and so on. Get as many requests through as you can within **some** stretch of `seconds`,
wherever it begins. Write `attack(limit, seconds)`: a list of the moments, in seconds from 0 on, at which you send a
request, such as `[3.5, 3.5, 4]`; two thousand at most."""
    stub = "def attack(limit, seconds):\n    return ..."
    hints = (
        "What does the limiter still know of the last window when a new one begins?",
        "Nothing. So use up one window as late as you can, and the next one as early as you can.",
        "`[moment] * limit` is a list of `limit` requests at one moment. Two such lists make it, `+` joins them; the "
        "second moment is `seconds`.",
    )
    praise = "Twice the limit within a moment, and no rule of the limiter was broken."
    refusals: ClassVar = {
        "one_window": (
            "All that passed belongs to one window, so no more than the limit got through.",
            "Spend the limit of two windows: on both sides of a boundary.",
        ),
        "too_far_apart": (
            "Two windows were used up, but so far apart that no stretch of that length holds both.",
            "Move the first rush towards the end of its window.",
        ),
        "evenly": (
            "Spread evenly, your requests are what the limit was made for, and hardly more than it gets through.",
            "Do not spread them: a limiter of windows sees no difference between early and late.",
        ),
        "not_all": (
            "That is more than the limit, and not yet the most.",
            "Use up both windows: `limit` requests on each side of the boundary.",
        ),
        "one_limit_only": (
            "For one limit it works, for another it does not.",
            "Compute how many requests you send, and when, from `limit` and `seconds`.",
        ),
        "before_zero": (
            "A moment lies before 0.",
            "Time begins at 0: the first boundary to use is at `seconds`.",
        ),
        "too_many": (
            "More than two thousand requests: it takes fewer.",
            "What is refused helps you nothing; twice `limit` are enough.",
        ),
    }

    @staticmethod
    def attack(limit, seconds):
        """The limit of one window at its end, and that of the next at its beginning."""
        return [0.99 * seconds] * limit + [seconds] * limit

    async def judge(self, answer: Any) -> None:
        """The most that passes in some stretch, for three limits."""
        shares = []
        for limit, seconds in ((100, 60), (7, 10), (30, 3_600)):
            call = self.called(limit, seconds)
            moments = self._moments(call, await self.call_async(answer, limit, seconds))
            passed = await replay(moments, "fixed_window", Limit(limit, seconds))
            shares.append(
                (call, passed, passed.most(seconds) / limit, len(set(moments)), limit, seconds)
            )
        worst = min(shares, key=lambda each: each[2])
        if worst[2] == 2:
            return
        call, passed, share, different, limit, seconds = worst
        if max(each[2] for each in shares) == 2:
            mistake = "one_limit_only"
        elif share <= 1.5 and different > limit / 2 and different > 3:
            mistake = "evenly"
        elif share > 1:
            mistake = "not_all"
        else:
            mistake = "one_window" if sum(passed.passed) <= limit else "too_far_apart"
        got = (
            f"{passed.most(seconds)} passed in the fullest {seconds} s, {sum(passed.passed)} in all"
        )
        self.refuse(
            mistake,
            call=call,
            got=got,
            expected=f"more than {passed.most(seconds)} in some {seconds} s",
        )

    def _moments(self, call: str, result: Any) -> list[float]:
        if not isinstance(result, Sequence) or isinstance(result, str):
            self.refuse(
                "wrong_type", call=call, got=brief(result), expected="a list of moments, in seconds"
            )
        if len(result) > 2_000:
            self.refuse("too_many", call=call, got=f"{len(result):,} requests")
        moments = [
            moment
            for moment in map(as_number, result)
            if moment is not None and abs(moment) < 10**7
        ]
        if not moments or len(moments) < len(result):
            self.refuse(
                "wrong_type", call=call, got=brief(result), expected="a list of moments, in seconds"
            )
        if min(moments) < 0:
            self.refuse("before_zero", call=call, got=f"the first at {min(moments):g} s")
        return moments
