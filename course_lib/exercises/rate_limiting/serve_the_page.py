"""Exercise: choose an algorithm and a limit for visitors who come in bursts."""

from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import NotAttempted, brief
from course_lib.lab.replays import ALGORITHMS, page_visits, replay
from course_lib.limiter import Limit, parse

PAGES = 36  # requests of three pages


class ServeThePage(Exercise):
    """Burst and rate are two numbers, and only one of the four algorithms has both."""

    lesson = "rate_limiting"
    limit = 60.0  # no code of the learner runs, so only a busy machine makes the check slow
    name = "serve_the_page"
    task = """Choose an algorithm and a limit per minute, so that

- **visitors** are never rejected: up to three pages a few seconds apart, 12 requests each, and 18
  requests a minute on average
- **the attacker**, who sends a hundred requests at once and then two a second, gets at most 70
  requests through in any minute, and at most 30 a minute after the first minute

Write both as text, such as `("fixed_window", "30/minute")`; the algorithms are `fixed_window`,
`sliding_log`, `sliding_window` and `token_bucket`. A bucket's burst is its limit, unless you give
another: `"30/minute burst 12"`."""
    stub = "serve_the_page = (..., ...)  # algorithm, limit"
    hints = (
        "How many requests does a visitor send for three pages in a row, and how many a minute on "
        "average? A window has one number for both.",
        "Three pages are 36 requests. A window that allows 36 gives the attacker 36, minute after "
        "minute.",
        'The token bucket has two numbers, `"<rate>/minute burst <burst>"`: the burst covers three '
        "pages, and the rate is a little more than what a visitor needs on average.",
    )
    serve_the_page = ("token_bucket", "20/minute burst 40")
    praise = "The burst serves the page, the rate limits the attacker: two numbers for two needs."
    refusals: ClassVar = {
        "no_such_algorithm": (
            "There's no algorithm of that name.",
            "Choose one of the four that the task names.",
        ),
        "no_limit": (
            "The limiter doesn't understand this limit.",
            'Write it like `"30/minute burst 12"`, with numbers of your own.',
        ),
        "burst_of_a_window": (
            "A window has no burst: it allows all of its requests at once.",
            "Leave out the burst, or choose the algorithm that has one.",
        ),
        "longer_window": (
            "A longer window also has space for bursts; but the longer it is, the more requests "
            "can come at once, and the longer a rejected client has to wait.",
            "Stick to the minute, and find the algorithm that has space for a burst.",
        ),
        "window_too_small": (
            "Visitors are rejected: three pages in a row are more than this window allows, "
            "although on average they stay below it.",
            "A larger number would serve them. What would the attacker do with it?",
        ),
        "window_remembers": (
            "Visitors are rejected: three pages fit into this window, but it still counts them "
            "when a visitor opens the next ones.",
            "A larger number would serve them. What would the attacker do with it?",
        ),
        "window_too_large": (
            "No visitor is rejected, but a window gives every client its whole limit in every "
            "minute: the attacker gets at least twice what a visitor needs, minute after minute.",
            "A window has one number for the burst and for the long run. Which algorithm has two?",
        ),
        "burst_too_small": (
            "Visitors are rejected: three pages in a row empty this bucket.",
            "How many requests are three pages?",
        ),
        "burst_too_large": (
            "The bucket holds so many tokens that too much of the attacker's first burst gets "
            "through.",
            "How many requests are three pages? It doesn't need many more tokens than that.",
        ),
        "rate_too_small": (
            "Visitors are rejected: the bucket refills so slowly that it's at times almost empty "
            "when they open the next pages.",
            "Raise the rate further above their average of 18 requests a minute.",
        ),
        "rate_too_large": (
            "No visitor is rejected, but the bucket refills so fast that the attacker is served "
            "all day.",
            "The burst serves the page. The rate only needs to be a little above a visitor's "
            "average.",
        ),
    }

    async def judge(self, answer: Any) -> None:
        """Replay four visitors that the learner hasn't seen, and the attacker."""
        algorithm, limit = self._chosen(answer)
        seeds = range(11, 15)
        visits = [await replay(page_visits(20, seed=seed), algorithm, limit) for seed in seeds]
        requests = sum(len(visit.passed) for visit in visits)
        rejected = sum(visit.passed.count(False) for visit in visits)
        attack = await replay([0.0] * 100 + [n / 2 for n in range(600)], algorithm, limit)
        outcomes = zip(attack.times, attack.passed, strict=True)
        later = sum(passed for time, passed in outcomes if time >= 60) / 4
        most = attack.most(60)
        is_bucket, burst = algorithm == "token_bucket", limit.burst or limit.requests
        mistakes = {
            "longer_window": not is_bucket and limit.window != 60,
            "window_too_small": not is_bucket and rejected and limit.requests < PAGES,
            "window_remembers": not is_bucket and rejected,
            "window_too_large": not is_bucket,
            "burst_too_small": rejected and burst < PAGES,
            "rate_too_small": rejected,
            "rate_too_large": later > 30.5,  # a request can fall on either side of a minute's end
            "burst_too_large": most > 70,
        }
        visitors = f"{rejected} of {requests:,} visitors' requests rejected"
        attacker = f"of the attacker's, {most} allowed in the busiest minute, then {later:.1f}"
        self.refuse_first(
            mistakes,
            call=f"{algorithm}, {limit}",
            got=f"{visitors}; {attacker} a minute",
            expected="0 of the visitors'; of the attacker's at most 70, then 30 a minute",
        )

    def _chosen(self, answer: Any) -> tuple[Any, Limit]:
        """Return the algorithm and the limit. Refuses what the limiter doesn't know."""
        if not isinstance(answer, list | tuple) or len(answer) != 2:
            self.refuse("wrong_type", got=brief(answer), expected="an algorithm and a limit")
        algorithm, limit = answer
        if algorithm is ... or limit is ...:
            raise NotAttempted
        if algorithm not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            self.refuse("no_such_algorithm", got=brief(algorithm), expected=known)
        try:
            rules = [limit] if isinstance(limit, Limit) else parse(limit)
        except (TypeError, ValueError) as error:
            self.refuse("no_limit", got=str(error))
        if len(rules) > 1:
            self.refuse("no_limit", got="several limits", expected="one limit")
        if rules[0].burst and algorithm != "token_bucket":
            self.refuse("burst_of_a_window", call=f"{algorithm}, {rules[0]}")
        return algorithm, rules[0]
