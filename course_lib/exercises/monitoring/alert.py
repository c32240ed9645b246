"""Exercise: a rule for an alert."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief

NOW = 1_700_000_000.0


class Alert(Exercise):
    """A share over a stretch of time, and enough requests for a share to mean something."""

    lesson = "monitoring"
    name = "alert"
    task = """When is it worth waking someone at night? Write the rule `alert(requests, now)`: it
returns True if there were at least 100 requests in the **last five minutes**, and **more than 1%**
of those took more than half a second; otherwise False.

`requests` is a list of pairs `(moment, seconds)`: when the response was sent, and how long it took.
Moments are in seconds, like `now`; the list goes back for hours, in no particular order."""
    stub = """def alert(requests, now):
    recent = ...  # those of the last 300 seconds
    return ..."""
    hints = (
        "Three steps: which requests are recent; how many of those are slow; what share is that, "
        "and of how many?",
        "`[seconds for moment, seconds in requests if now - moment <= 300]` are the recent ones.",
        "Test `len(recent) >= 100` first: then there's something to divide by.",
    )
    praise = "It rings when many users wait, and stays quiet for the one slow request a day."
    refusals: ClassVar = {
        "one_slow_request": (
            "One slow request in a thousand sets off the alert. It would ring every night, and "
            "soon no one would get up.",
            "Use a share: more than 1%.",
        ),
        "count_not_share": (
            "The same number of slow requests is a lot for a small service and nothing for a large "
            "one.",
            "Divide by the number of recent requests.",
        ),
        "whole_history": (
            "Requests from before the last five minutes were counted.",
            "First select those with `now - moment <= 300`.",
        ),
        "too_few": (
            "One of three requests at night was slow: that's a third, and it means nothing.",
            "At least 100 requests, or no alert.",
        ),
        "silent": (
            "One request in fifty took more than half a second, and there was no alert. A mean or "
            "a median doesn't move when that happens.",
            "Count the slow ones, and divide.",
        ),
        "at_the_bound": (
            "Nearly. At least 100 requests, so 100 is enough; more than 1%, so 1% isn't; slow is "
            "more than 0.5 s.",
            "Compare `<` and `<=`, `>` and `>=` with the task.",
        ),
        "no_requests": (
            "Without requests there's nothing to divide by.",
            "Test for the 100 first.",
        ),
    }

    @staticmethod
    def alert(requests, now):
        """Return whether more than 1% of the requests in the last five minutes were slow."""
        recent = [seconds for moment, seconds in requests if now - moment <= 300]
        slow = sum(seconds > 0.5 for seconds in recent)
        return len(recent) >= 100 and slow / len(recent) > 0.01

    def judge(self, answer: Callable[[Sequence[tuple[float, float]], float], bool]) -> None:
        """Try every scenario."""
        for scenario in SCENARIOS:
            self._compare(answer, scenario)

    def _compare(self, answer: Callable[..., Any], scenario: "_Scenario") -> None:
        requests = scenario.requests()
        call, expected = f"alert(requests, now): {scenario.text}", str(scenario.rings)
        try:
            result = self.call(answer, requests, NOW)
        except Refusal as refusal:
            if not requests and refusal.got.startswith("ZeroDivisionError"):
                self.refuse("no_requests", call=call, got=refusal.got, expected=expected)
            raise
        if result not in (True, False) or isinstance(result, float):
            self.refuse("wrong_type", call=call, got=brief(result), expected="True or False")
        if bool(result) != scenario.rings:
            self.refuse(scenario.mistake, call=call, got=brief(result), expected=expected)


@dataclass(frozen=True)
class _Scenario:
    """Requests, whether the alert should ring, and the misconception if it doesn't do that."""

    mistake: str
    rings: bool
    text: str
    recent: tuple[int, int]
    """The number of requests in the last five minutes, and of slow ones."""
    old: tuple[int, int] = (0, 0)
    """The same for one to two hours ago."""

    def requests(self) -> list[tuple[float, float]]:
        recent = _requests(*self.recent, NOW - 290, NOW)
        return recent + _requests(*self.old, NOW - 7_200, NOW - 3_600)


SCENARIOS = (
    _Scenario("silent", True, "1,000 recent requests, 20 slow", (1_000, 20)),
    _Scenario("one_slow_request", False, "1,000 recent requests, 1 slow", (1_000, 1)),
    _Scenario(
        "whole_history",
        False,
        "500 recent requests, none slow; an hour ago 100 slow",
        (500, 0),
        (500, 100),
    ),
    _Scenario(
        "whole_history",
        True,
        "500 recent requests, 50 slow; before that 20,000 quick",
        (500, 50),
        (20_000, 0),
    ),
    _Scenario("count_not_share", False, "10,000 recent requests, 60 slow", (10_000, 60)),
    _Scenario("count_not_share", True, "150 recent requests, 3 slow", (150, 3)),
    _Scenario("too_few", False, "3 recent requests, 1 slow", (3, 1), (400, 0)),
    _Scenario("no_requests", False, "no requests at all", (0, 0)),
    _Scenario("at_the_bound", True, "100 recent requests, 2 slow", (100, 2)),
    _Scenario("at_the_bound", False, "1,000 recent requests, 10 slow", (1_000, 10)),
)


def _requests(count: int, slow: int, since: float, until: float) -> list[tuple[float, float]]:
    """Return evenly spaced requests, the latest first; none but the slow take over 0.5 s."""
    step = (until - since) / max(count, 1)
    period = count // slow if slow else count + 1
    requests = []
    for number in range(count):
        is_slow = number % period == 0 and number // period < slow
        quick = 0.1 if number % 7 else 0.5
        requests.append((until - number * step, 0.9 if is_slow else quick))
    return requests
