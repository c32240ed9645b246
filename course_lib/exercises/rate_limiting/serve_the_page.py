"""Burst and rate are two numbers, and only one of the four algorithms has both."""

from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.lab.replay import ALGORITHMS, page_visits, replay
from course_lib.limiter import Limit, parse


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
