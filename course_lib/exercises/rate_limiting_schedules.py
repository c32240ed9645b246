"""The exercises of lesson 3 that are about who comes when. Requests go through the library's limiter, on a real Redis,
whose clock the check turns."""

from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise, NotAttempted, brief
from course_lib.exercises.welcome import as_number
from course_lib.lab.replay import ALGORITHMS, page_visits, replay
from course_lib.limiter import Limit, parse


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


class ServeThePage(Exercise):
    """Burst and rate are two numbers, and only one of the four algorithms has both."""

    lesson = "rate_limiting"
    limit = 10.0
    name = "serve_the_page"
    task = """Choose an algorithm and a limit a minute, so that

- **visitors** are never refused: each page asks 12 times at once; they open up to three pages within some seconds, then
  they read; on the average that makes 18 requests a minute
- **the attacker**, who sends a hundred at once and then two a second, gets no more than 70 through in any minute, and
  no more than 30 a minute after the first

Give both as text, such as `("fixed_window", "30/minute")`. The algorithms are `fixed_window`, `sliding_log`,
`sliding_window` (two counters) and `token_bucket`. A bucket holds as many as its limit says, or another number:
`"30/minute burst 12"`."""
    stub = "serve_the_page = (..., ...)  # algorithm, limit"
    hints = (
        "How many requests does a visitor send within some seconds, and how many a minute on the average? A window has "
        "one number for both.",
        "Three pages are 36 requests. A window that lets 36 pass lets the attacker have 36, minute after minute.",
        'The token bucket has two numbers, `"<rate>/minute burst <burst>"`: the burst holds three pages, the rate is a '
        "little more than what a visitor needs on the average.",
    )
    serve_the_page = ("token_bucket", "20/minute burst 40")
    praise = "The burst serves the page, the rate bounds the attacker: two numbers for two needs."
    refusals: ClassVar = {
        "no_such_algorithm": (
            "There is no algorithm of that name.",
            "Take one of the four that the task names.",
        ),
        "no_limit": ("The limiter does not understand this limit.", "Write it as the task does."),
        "longer_window": (
            "A window of another length gives room for bursts too, and the longer it is, the more may come at once "
            "and the longer who is refused must wait.",
            "Keep to the minute, and see which algorithm has room for a burst.",
        ),
        "window_too_small": (
            "Visitors are refused: three pages within some seconds are more than this window lets pass, though on the "
            "average they stay below it.",
            "A larger number would serve them. What would the attacker make of it?",
        ),
        "window_too_large": (
            "No visitor is refused, but a window gives everybody its whole limit in every minute: the attacker gets "
            "more than twice what a visitor needs, for ever.",
            "A window has one number for the burst and for the long run. Which algorithm has two?",
        ),
        "burst_too_small": (
            "Visitors are refused: three pages within some seconds empty this bucket.",
            "How many requests are three pages?",
        ),
        "burst_too_large": (
            "The bucket holds so much that the attacker's first rush is out of bounds.",
            "How many requests are three pages? Not many more need be in it.",
        ),
        "rate_too_small": (
            "Visitors are refused: the bucket fills more slowly than they need on the average, so in the end it is "
            "empty.",
            "It must bring back a little more than 18 a minute.",
        ),
        "rate_too_large": (
            "No visitor is refused, but the bucket fills so fast that the attacker is served all day.",
            "The burst serves the page. The rate may be as low as a visitor's average, and a little more.",
        ),
    }

    async def judge(self, answer: Any) -> None:
        """Four visitors whom the learner has not seen, for half an hour; and the attacker, for twenty minutes."""
        algorithm, limit = self._chosen(answer)
        visits = [
            await replay(page_visits(30, seed=seed), algorithm, limit) for seed in range(11, 15)
        ]
        refused = sum(visit.passed.count(False) for visit in visits)
        attack = await replay(
            [0.0] * 100 + [number / 2 for number in range(2_400)], algorithm, limit
        )
        later = (
            sum(
                passed
                for moment, passed in zip(attack.moments, attack.passed, strict=True)
                if moment >= 60
            )
            / 19
        )
        is_bucket, burst = algorithm == "token_bucket", limit.burst or limit.requests
        for mistake, made in {
            "longer_window": not is_bucket and limit.window != 60,
            "window_too_small": not is_bucket and refused,
            "window_too_large": not is_bucket,
            "burst_too_small": refused and burst < 36,
            "rate_too_small": refused,
            "rate_too_large": later
            > 30.5,  # a whole request may fall on either side of a minute's end
            "burst_too_large": attack.most(60) > 70,
        }.items():
            if made:
                self.refuse(
                    mistake,
                    call=f"{algorithm}, {limit}",
                    got=f"{refused} of {sum(len(visit.passed) for visit in visits):,} requests of visitors refused; of "
                    f"the attacker's {attack.most(60)} passed in the fullest minute, and {later:.1f} a minute later on",
                    expected="0 of the visitors', and of the attacker's at most 70, and 30 a minute later on",
                )

    def _chosen(self, answer: Any) -> tuple[Any, Limit]:
        if not isinstance(answer, list | tuple) or len(answer) != 2:
            self.refuse("wrong_type", got=brief(answer), expected="an algorithm and a limit")
        algorithm, limit = answer
        if algorithm is ... or limit is ...:
            raise NotAttempted
        if algorithm not in ALGORITHMS:
            self.refuse("no_such_algorithm", got=brief(algorithm), expected=", ".join(ALGORITHMS))
        try:
            rules = [limit] if isinstance(limit, Limit) else parse(limit)
        except (TypeError, ValueError) as error:
            self.refuse("no_limit", got=f"{brief(limit)}: {error}")
        if len(rules) > 1 or (rules[0].burst and algorithm != "token_bucket"):
            reason = "several limits" if len(rules) > 1 else f"a burst, which {algorithm} has not"
            self.refuse("no_limit", got=reason, expected="one limit")
        return algorithm, rules[0]


attack = Attack()
serve_the_page = ServeThePage()
