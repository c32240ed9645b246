"""Scenarios for a rule that rings, and the rules that misconceptions lead to; for `alert`."""

import itertools
import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

NOW = 1_700_000_000.9
Requests = list[tuple[float, float]]
Rule = Callable[[Requests], bool]
SHORT_WINDOWS = (5, 30, 60, 100, 120, 200, 240)
LONG_WINDOWS = (301, 310, 600, 3_600, 10**9)
COUNTS = (100, 200, 300, 500, 1_000)


@dataclass
class Scenario:
    """Requests, whether the alert should ring, and the misconception if it doesn't do that."""

    mistake: str
    rings: bool
    text: str
    recent: tuple[int, int]
    """The number of requests in the last five minutes, and of slow ones."""
    old: tuple[int, int] = (0, 0)
    """The same for before that."""
    since: float = 300.4
    """Seconds since the latest of those."""
    slowest: float = 0.9
    """Seconds that every other slow request took."""

    @cached_property
    def requests(self) -> Requests:
        """The requests, in no particular order."""
        recent = _requests(*self.recent, NOW - 298, NOW, self.slowest)
        old = _requests(*self.old, NOW - 7_200, NOW - self.since, self.slowest)
        requests = recent + old
        random.Random(self.text).shuffle(requests)
        return requests


SCENARIOS = (
    Scenario("silent", True, "1,000 recent requests, 20 slow", (1_000, 20)),
    Scenario("one_slow_request", False, "1,000 recent requests, 1 slow", (1_000, 1)),
    Scenario(
        "whole_history",
        False,
        "500 recent requests, none slow; an hour ago 100 slow",
        (500, 0),
        (500, 100),
    ),
    Scenario(
        "whole_history",
        True,
        "500 recent requests, 50 slow; before that 8,000 quick",
        (500, 50),
        (8_000, 0),
    ),
    Scenario("count_not_share", False, "3,000 recent requests, 20 slow", (3_000, 20)),
    Scenario("count_not_share", False, "5,000 recent requests, 3 slow", (5_000, 3)),
    Scenario("count_not_share", True, "150 recent requests, 3 slow", (150, 3)),
    Scenario("too_few", False, "3 recent requests, 1 slow", (3, 1), (400, 0)),
    Scenario("no_requests", False, "no requests at all", (0, 0)),
    Scenario("at_the_bound", True, "100 recent requests, 2 slow", (100, 2)),
    Scenario("at_the_bound", False, "1,000 recent requests, 10 slow", (1_000, 10)),
    Scenario(
        "trusts_the_order",
        True,
        "500 recent requests, 50 slow; before that 40 quick",
        (500, 50),
        (40, 0),
    ),
    Scenario("another_share", True, "1,000 recent requests, 11 slow", (1_000, 11)),
    Scenario("too_few", False, "99 recent requests, 50 slow", (99, 50), (400, 0)),
    Scenario("whole_history", False, "99 recent requests, 50 slow", (99, 50), (400, 200)),
    Scenario("whole_history", False, "none recent, before that 9 of 100 slow", (0, 0), (100, 9)),
    Scenario(
        "whole_history",
        False,
        "none recent; two hours ago 500 within minutes, 50 slow",
        (0, 0),
        (500, 50),
        since=7_000,
    ),
    Scenario("at_the_bound", True, "190 recent requests, 2 slow", (190, 2)),
    Scenario(
        "start_for_end",
        True,
        "1,000 recent requests, 12 slow, 6 of them took 400 seconds",
        (1_000, 12),
        slowest=400,
    ),
    Scenario(
        "start_for_end",
        False,
        "150 recent requests, none slow; until ten minutes ago 400 slow, half took 400 seconds",
        (150, 0),
        (2_000, 400),
        since=605,
        slowest=400,
    ),
)


def _rule(
    window: float = 300,
    least: int = 100,
    share: float = 0.01,
    slow: float = 0.5,
    compare: Callable[[float, float], bool] = operator.gt,
) -> Rule:
    """Return the rule of the task, with some of its numbers replaced."""

    def rule(requests: Requests) -> bool:
        recent = _recent(requests, window)
        if not recent or len(recent) < least:
            return False
        count = sum(seconds > slow for seconds in recent)
        return compare(count / len(recent), share)

    return rule


def _of_the_last(count: int) -> Rule:
    return lambda requests: RIGHT(requests[-count:])


def _of_the_first(count: int) -> Rule:
    return lambda requests: RIGHT(requests[:count])


def _recent(requests: Requests, window: float = 300) -> list[float]:
    return [seconds for timestamp, seconds in requests if NOW - timestamp <= window]


def _until_the_first_old(requests: Requests) -> bool:
    return RIGHT(list(itertools.takewhile(lambda request: NOW - request[0] <= 300, requests)))


def _more_than(slow_requests: int) -> Rule:
    def rule(requests: Requests) -> bool:
        recent = _recent(requests)
        count = sum(seconds > 0.5 for seconds in recent)
        return len(recent) >= 100 and count > slow_requests

    return rule


def _share_of_all(requests: Requests) -> bool:
    recent = _recent(requests)
    slow = sum(seconds > 0.5 for seconds in recent)
    return len(recent) >= 100 and slow / len(requests) > 0.01


def _one_a_timestamp(requests: Requests) -> bool:
    return RIGHT(list(dict(requests).items()))


def _by_start(requests: Requests) -> bool:
    return RIGHT([(timestamp - seconds, seconds) for timestamp, seconds in requests])


def _after_the_end(requests: Requests) -> bool:
    return RIGHT([(timestamp + seconds, seconds) for timestamp, seconds in requests])


def _only_old(requests: Requests) -> bool:
    old = [seconds for timestamp, seconds in requests if NOW - timestamp >= 300]
    slow = sum(seconds > 0.5 for seconds in old)
    return len(old) >= 100 and slow / len(old) > 0.01


def decisions(rule: Rule) -> list[bool]:
    """Return what a rule decides in each scenario."""
    return [rule(scenario.requests) for scenario in SCENARIOS]


def probes(clock: float) -> list[tuple[str, Requests, float]]:
    """Return misconceptions, each with requests and a time for which such a rule rings.

    They're for a rule that rings in no scenario. `clock` is the real time.
    """
    recent = _requests(1_000, 20, NOW - 298, NOW)
    hundred_slow = _requests(9_000, 180, NOW - 298, NOW)
    one_enormous = [*recent[1:], (NOW, 3_000.0)]
    most_slow = _requests(1_000, 600, NOW - 298, NOW)
    all_slow = _requests(1_000, 1_000, NOW - 298, NOW)
    in_milliseconds = [(timestamp, 1_000 * seconds) for timestamp, seconds in recent]
    swapped = [(seconds, timestamp) for timestamp, seconds in recent]
    last_seconds = _requests(1_000, 20, NOW - 4, NOW)
    apart = [(NOW - number / 4, seconds) for number, (_, seconds) in enumerate(recent)]
    by_the_clock = [(clock - NOW + timestamp, seconds) for timestamp, seconds in recent]
    return [
        ("window_too_short", last_seconds, NOW),
        ("same_timestamp", apart, NOW),
        ("hundred_slow_ones", hundred_slow, NOW),
        ("silent", one_enormous, NOW),  # a mean
        ("silent", most_slow, NOW),  # a median
        ("only_if_all", all_slow, NOW),
        ("another_threshold", in_milliseconds, NOW),
        ("pairs_swapped", swapped, NOW),
        ("another_clock", by_the_clock, clock + 7_200),  # by `now`, all of these are old
    ]


RIGHT = _rule()
RULES: dict[str, list[Rule]] = {
    "half_a_second_itself": [_rule(slow=0.4999)],
    "window_too_short": [_rule(window=window) for window in SHORT_WINDOWS],
    "whole_history": [*(_rule(window=window) for window in LONG_WINDOWS), _only_old],
    "share_of_all": [_share_of_all],
    "same_timestamp": [_one_a_timestamp, lambda requests: RIGHT(list(set(requests)))],
    "start_for_end": [_by_start, _after_the_end],
    "trusts_the_order": [
        _until_the_first_old,
        *map(_of_the_last, COUNTS),
        *map(_of_the_first, COUNTS),
    ],
    "another_threshold": [_rule(slow=slow) for slow in (0.05, 0.25, 0.51, 0.6, 1, 5, 500)],
    "another_share": [_rule(share=share) for share in (0.001, 0.015, 0.02, 0.05, 0.1, 0.5, 1)],
    "count_not_share": [_more_than(count) for count in (1, 2, 5, 10, 20, 100)],
    "one_slow_request": [_more_than(0)],
    "too_few": [_rule(least=least) for least in (1, 2, 10, 50)],
    "at_the_bound": [
        _rule(least=101),
        _rule(compare=operator.ge),
        _rule(least=101, compare=operator.ge),
    ],
    "upside_down": [lambda requests: not RIGHT(requests), _rule(compare=operator.lt)],
}
"""For each misconception: the rules that it leads to."""


def _requests(
    count: int, slow: int, since: float, until: float, slowest: float = 0.9
) -> list[tuple[float, float]]:
    """Return requests, the latest first; none but the slow take over 0.5 s.

    They're evenly spread over timestamps that are five seconds apart.
    """
    step = (until - since) / max(count, 1)
    period = count // slow if slow else count + 1
    requests = []
    for number in range(count):
        slow_ones, position = divmod(number, period)
        if position == 0 and slow_ones < slow:
            seconds = 0.51 if slow_ones % 2 else slowest
        else:
            seconds = 0.1 if number % 7 else 0.5
        requests.append((until - number * step // 5 * 5, seconds))
    return requests
