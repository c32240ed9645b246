"""A share over a stretch of time, and enough requests to speak of one."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief


class Alert(Exercise):
    """A share over a stretch of time, and enough requests to speak of one."""

    lesson = "monitoring"
    name = "alert"
    task = """Whom to wake at night, and when? Write the rule `alert(requests, now)`: True where of the **last five
minutes** at least 100 requests are known, and **more than 1%** of those took more than half a second; else False.

`requests` is a list of pairs `(moment, seconds)`: when it was answered, and how long it took. Moments count seconds, as
`now` does; the list goes back for hours, in no order."""
    stub = """def alert(requests, now):
    recent = ...  # those of the last 300 seconds
    return ..."""
    hints = (
        "Three steps: who is recent; how many of those are slow; what share is that, and of how many?",
        "`[seconds for moment, seconds in requests if now - moment <= 300]` are the recent ones.",
        "Ask for `len(recent) >= 100` first: then there is something to divide by.",
    )
    praise = "It rings when many wait, and sleeps through the one request that is slow each day."
    refusals: ClassVar = {
        "one_slow_request": (
            "One slow request in a thousand rings the alarm. It would ring every night, and soon nobody gets up.",
            "Ask for a share: more than 1%.",
        ),
        "count_not_share": (
            "A number of slow requests is much for a small service and nothing for a large one.",
            "Divide by the number of recent requests.",
        ),
        "whole_history": (
            "Older requests than those of the last five minutes were counted.",
            "First pick those with `now - moment <= 300`.",
        ),
        "too_few": (
            "Of three requests at night one was slow: that is a third, and says nothing.",
            "At least 100 requests, or no alarm.",
        ),
        "silent": (
            "A fiftieth of all users waited for more than half a second, and no alarm rang. A mean or a median does "
            "not move when they do.",
            "Count the slow ones, and divide.",
        ),
        "at_the_bound": (
            "Nearly. At least 100 requests, so 100 are enough; more than 1%, so 1% is not; slow is more than 0.5 s.",
            "Compare `<` and `<=`, `>` and `>=` with the task.",
        ),
        "no_requests": (
            "Where nobody comes there is nothing to divide by.",
            "Ask for the 100 first.",
        ),
    }

    @staticmethod
    def alert(requests, now):
        """Whether of the last five minutes' requests more than 1% were slow."""
        recent = [seconds for moment, seconds in requests if now - moment <= 300]
        slow = sum(seconds > 0.5 for seconds in recent)
        return len(recent) >= 100 and slow / len(recent) > 0.01

    def judge(self, answer: Callable[[Sequence[tuple[float, float]], float], bool]) -> None:
        """A quiet hour, a bad one, one long past, one that a good day hides, night, nobody, and the bounds."""
        now = 1_700_000_000.0
        for mistake, expected, said, (count, slow), (old, old_slow) in (
            ("silent", True, "1,000 recent requests, 20 slow", (1_000, 20), (0, 0)),
            ("one_slow_request", False, "1,000 recent requests, 1 slow", (1_000, 1), (0, 0)),
            (
                "whole_history",
                False,
                "500 recent requests, none slow; an hour ago 100 slow",
                (500, 0),
                (500, 100),
            ),
            (
                "whole_history",
                True,
                "500 recent ones, 50 slow; before that 20,000 quick",
                (500, 50),
                (20_000, 0),
            ),
            ("count_not_share", False, "10,000 recent requests, 60 slow", (10_000, 60), (0, 0)),
            ("count_not_share", True, "150 recent requests, 3 slow", (150, 3), (0, 0)),
            ("too_few", False, "3 recent requests, 1 slow", (3, 1), (400, 0)),
            ("no_requests", False, "no request at all", (0, 0), (0, 0)),
            ("at_the_bound", True, "100 recent requests, 2 slow", (100, 2), (0, 0)),
            ("at_the_bound", False, "1,000 recent requests, 10 slow", (1_000, 10), (0, 0)),
        ):
            requests = [
                *_answered(count, slow, now - 290, now),
                *_answered(old, old_slow, now - 7_200, now - 3_600),
            ]
            call = f"alert(requests, now): {said}"
            try:
                result = self.call(answer, requests, now)
            except Refusal as refusal:
                if not requests and refusal.got.startswith("ZeroDivisionError"):
                    self.refuse("no_requests", call=call, got=refusal.got, expected="False")
                raise
            if result not in (True, False) or isinstance(result, float):
                self.refuse("wrong_type", call=call, got=brief(result), expected="True or False")
            if bool(result) != expected:
                self.refuse(mistake, call=call, got=brief(result), expected=str(expected))


def _answered(count: int, slow: int, since: float, until: float) -> list[tuple[float, float]]:
    """So many requests, evenly over a stretch of time and the latest first; so many of them slow, others just not."""
    step = (until - since) / max(count, 1)
    every = count // slow if slow else count + 1
    return [
        (
            until - number * step,
            0.9 if number % every == 0 and number // every < slow else 0.5 - 0.4 * (number % 7 > 0),
        )
        for number in range(count)
    ]
