"""Exercise: a rule for an alert."""

import operator
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from course_lib.exercises.alert_rules import NOW, RULES, SCENARIOS, Scenario, decisions, probes
from course_lib.exercises.answers import as_truth
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import Refusal, brief


class Alert(Exercise):
    """A share over a stretch of time, and enough requests for a share to mean something."""

    lesson = "monitoring"
    limit = 3.0
    name = "alert"
    task = """When is it worth waking someone at night? Write the rule `alert(requests, now)`: it
returns True if there were at least 100 requests in the **last five minutes**, and **more than 1%**
of those took more than half a second; otherwise False.

`requests` is a list of pairs `(timestamp, seconds)`: when the response was sent, and how long it
took. Timestamps are in seconds, like `now`; the list goes back hours, in no particular order."""
    stub = """def alert(requests, now):
    recent = ...  # those of the last 300 seconds
    return ..."""
    hints = (
        "Three steps: which requests are recent; how many of those are slow; what share is that, "
        "and of how many?",
        "`[seconds for timestamp, seconds in requests if now - timestamp <= 300]` are the recent "
        "ones.",
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
            "First select those with `now - timestamp <= 300`.",
        ),
        "window_too_short": (
            "Requests of the last five minutes were left out: your window is shorter.",
            "Five minutes are 300 seconds, and `timestamp` and `now` are in seconds.",
        ),
        "trusts_the_order": (
            "Recent requests were missed: the list is in no particular order, so neither its last "
            "entries nor those before the first old one are the recent ones.",
            "Go through the whole list, and select by `now - timestamp`.",
        ),
        "half_a_second_itself": (
            "Requests of exactly half a second were counted as slow.",
            "Slow is *more* than half a second: `seconds > 0.5`.",
        ),
        "another_threshold": (
            "The task draws the line between slow and quick somewhere else.",
            "Slow is more than half a second, and `seconds` is in seconds.",
        ),
        "another_share": (
            "You compare the share with a number other than 1%, or you rounded it first.",
            "1% is 0.01 as a share, and 1 in percent; don't round.",
        ),
        "share_of_all": (
            "You divided the slow recent requests by all requests, old ones included.",
            "Divide by the number of recent requests.",
        ),
        "same_timestamp": (
            "Of several requests with the same timestamp, you counted only one.",
            "Keep all the pairs in a list: a dict or a set drops those that are alike.",
        ),
        "start_for_end": (
            "You added `seconds` to the timestamp or subtracted them, so a request that took "
            "minutes is counted at another time.",
            "`timestamp` is when the response was sent: compare it with `now`.",
        ),
        "upside_down": (
            "It rings when all is well, and is silent when users wait.",
            "True means that someone has to get up.",
        ),
        "too_few": (
            "There were fewer than 100 recent requests: a share of so few means nothing.",
            "At least 100 requests, or no alert.",
        ),
        "another_clock": (
            "Your rule looks at a clock of its own instead of `now`, so it can't be tried on the "
            "requests of another day.",
            "Use `now` wherever you need the time.",
        ),
        "pairs_swapped": (
            "You took the timestamp for the duration, and the duration for the timestamp.",
            "Each pair is `(timestamp, seconds)`.",
        ),
        "hundred_slow_ones": (
            "It takes a hundred *slow* requests to set off your alert. The hundred is for requests "
            "of any speed.",
            "Test `len(recent) >= 100`.",
        ),
        "silent": (
            "One request in fifty took more than half a second, and there was no alert.",
            "A mean or a median hardly moves when that happens: count the slow ones, and divide. "
            "1% is 0.01 as a share.",
        ),
        "only_if_all": (
            "It rings only if every request was slow.",
            "Compare the share of slow requests with 1%. Divide with `/`: `//` rounds every share "
            "below 1 down to 0.",
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
        recent = [seconds for timestamp, seconds in requests if now - timestamp <= 300]
        slow = sum(seconds > 0.5 for seconds in recent)
        return len(recent) >= 100 and slow / len(recent) > 0.01

    def judge(self, answer: Callable[[Sequence[tuple[float, float]], float], bool]) -> None:
        """Try every scenario; all its decisions together identify a wrong rule."""
        decided = [self._decision(answer, scenario) for scenario in SCENARIOS]
        outcomes = zip(SCENARIOS, decided, strict=True)
        wrong = [scenario for scenario, decision in outcomes if decision != scenario.rings]
        if not wrong:
            return
        first = wrong[0]
        if any(decided):
            known = {name: map(decisions, rules) for name, rules in RULES.items()}
            mistake = self.recognize(decided, known, operator.eq) or first.mistake
        else:
            mistake = self._silent_because(answer) or first.mistake
        call = f"alert(requests, now): {first.text}"
        self.refuse(mistake, call=call, got=str(not first.rings), expected=str(first.rings))

    def _silent_because(self, answer: Callable[..., Any]) -> str | None:
        """Return why a rule rings in no scenario, or None if it rings for no probe either."""
        for mistake, requests, now in probes(time.time()):
            try:
                if as_truth(self.call(answer, requests, now)):
                    return mistake
            except Refusal:
                continue
        return None

    def _decision(self, answer: Callable[..., Any], scenario: Scenario) -> bool:
        requests = scenario.requests
        call, expected = f"alert(requests, now): {scenario.text}", str(scenario.rings)
        try:
            result = self.call(answer, requests, NOW)
        except Refusal as refusal:
            if not requests and refusal.got.startswith("ZeroDivisionError"):
                self.refuse("no_requests", call=call, got=refusal.got, expected=expected)
            raise
        is_number = type(result) is int and result in (0, 1)
        decision = bool(result) if is_number else as_truth(result)
        if decision is None:
            self.refuse("wrong_type", call=call, got=brief(result), expected="True or False")
        return decision
