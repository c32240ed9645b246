"""Limits as people write them ("50/minute", "5/second; 100/hour"), and as the scripts take them."""

import functools
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from course_lib.asgi import Scope
from course_lib.checks import check_count, check_seconds

SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 360 * 86_400,
}
MOST_REQUESTS = 10**9
MOST_LOGGED = 1000  # entries for one request in a sliding log
SHORTEST_WINDOW = 0.001  # seconds: keys expire by the millisecond
LONGEST_REFILL = 100  # years: the scripts count microseconds up to 2^53, 285 years
ONE_LIMIT = re.compile(
    r"\s*([0-9]{1,20})"  # requests
    r"\s*(?:/|per)"
    rf"\s*([0-9]{{1,20}}(?:\.[0-9]+)?)?\s*({'|'.join(SECONDS)})s?"  # "5 seconds", "minute"
    r"\s*(?:burst\s*([0-9]{1,20})\s*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limit:
    """At most `requests` in each `window` (seconds); `str()` returns it as text for `parse`.

    `burst` is the size of a token bucket, by default `requests`. The other algorithms have none.
    Raises ValueError or TypeError if a number makes no sense.
    """

    requests: int
    window: float
    burst: int | None = None

    def __post_init__(self) -> None:
        numbers = {"requests": self.requests}
        if self.burst is not None:
            numbers["burst"] = self.burst
        for name, number in numbers.items():
            object.__setattr__(self, name, check_count(name, number, MOST_REQUESTS))
        check_seconds("window", self.window)
        if self.window < SHORTEST_WINDOW:
            raise ValueError(f"window is {self.window!r}: pass at least {SHORTEST_WINDOW} seconds")
        years = self.capacity / self.requests * self.window / SECONDS["year"]
        if years > LONGEST_REFILL:
            raise ValueError(
                f"burst is {self.burst}: after a burst, the bucket would need {years:,.0f} years "
                f"to fill up; pass a burst that comes back within {LONGEST_REFILL} years"
            )

    @property
    def capacity(self) -> int:
        """The most requests at once: those of the window, or of the burst."""
        return self.burst or self.requests

    def __str__(self) -> str:
        text = f"{self.requests}{_window_text(self.window)}"
        return f"{text} burst {self.burst}" if self.burst else text


def _window_text(window: float) -> str:
    for unit in ("day", "hour", "minute", "second"):
        multiple, rest = divmod(window, SECONDS[unit])
        if multiple == 0 or rest:
            continue
        if multiple == 1:
            return f"/{unit}"
        return f" per {int(multiple)} {unit}s"
    return f" per {float(window)!r} seconds"


def parse(text: str) -> tuple[Limit, ...]:
    """Return the limits in a text: "50/minute", "10 per 5 seconds", "5/second; 100/hour".

    The syntax is that of `slowapi` and `limits`, in which a month has 30 days and a year 360, plus
    the burst of a token bucket: "30/minute burst 12". Raises ValueError, with an example to follow,
    if the text isn't a limit, TypeError if it isn't text.
    """
    if not isinstance(text, str):
        raise _wrong_type(text)
    limits = []
    for part in re.split("[;,|]", text):
        match = ONE_LIMIT.fullmatch(part)
        if match is None:
            raise ValueError(
                f"{text!r} is not a limit: write '50/minute', '10 per 5 seconds', "
                "'30/minute burst 12', or several as '5/second; 100/hour'"
            )
        requests, multiple, unit, burst = match.groups()
        multiple = multiple or "1"
        number = float(multiple) if "." in multiple else int(multiple)
        window = number * SECONDS[unit.lower()]
        limits.append(Limit(int(requests), window, int(burst) if burst else None))
    return tuple(limits)


def _wrong_type(limit: object) -> TypeError:
    return TypeError(
        f"limit must be a string such as '50/minute', or a Limit(50, 60.0), not {limit!r}"
    )


def limits_of(limit: str | Limit) -> tuple[Limit, ...]:
    """Return the limits that an argument stands for. Raises as `parse` does."""
    return (limit,) if isinstance(limit, Limit) else parse(limit)


OneLimit = str | Limit | None
"""A limit, or None for no limit."""
LimitOfRequest = Callable[[Scope], OneLimit | Awaitable[OneLimit]]
"""Returns the limit of a request from its scope; may be async."""
Cost = Callable[[Scope], float | Awaitable[float]]
"""Returns how many requests of its limit a request uses up; may be async."""


class Rules(NamedTuple):
    """Limits in the form that a script takes.

    `names` (one for each limit) go into its keys, `text` into the index, and `arguments` to the
    script: for each limit its requests, its window (microseconds) and its burst.
    """

    limits: tuple[Limit, ...]
    names: tuple[str, ...]
    text: str
    arguments: tuple[int, ...]

    def with_cost(self, cost: int, algorithm: str) -> "Rules":
        """Return the rules for a request of this cost. Raises ValueError if it isn't a cost."""
        cost = check_count("cost", cost, MOST_REQUESTS, least=0)
        if cost > most_cost(algorithm):
            raise ValueError(
                f"cost is {cost}: sliding_log stores an entry for each of them, so it takes at "
                f"most {MOST_LOGGED}; use token_bucket"
            )
        return self._replace(arguments=(*self.arguments, cost))


def most_cost(algorithm: str) -> int:
    """Return how much a request can cost."""
    return MOST_LOGGED if algorithm == "sliding_log" else MOST_REQUESTS


def rules_for(limit: str | Limit, algorithm: str) -> Rules:
    """Return the rules for a limit. Raises TypeError or ValueError if it isn't one."""
    if not isinstance(limit, str | Limit):
        raise _wrong_type(limit)
    return _parse_rules(limit, algorithm)


def rules_of(name: str, limit: str | Limit, algorithm: str) -> Rules:
    """Return the rules for the limit of a route or endpoint. An error has its name in front."""
    try:
        return rules_for(limit, algorithm)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name!r}: {error}") from None


@functools.lru_cache(maxsize=1024)
def _parse_rules(limit: str | Limit, algorithm: str) -> Rules:
    by_numbers: dict[tuple[int, ...], Limit] = {}  # two limits with the same numbers are one
    for single in limits_of(limit):
        numbers: tuple[int, ...] = (single.requests, round(single.window * 1_000_000))
        if algorithm == "token_bucket":
            numbers = (*numbers, single.burst or single.requests)
        elif single.burst:
            raise ValueError(f"{single}: only token_bucket has a burst, and this is {algorithm}")
        by_numbers[numbers] = single
    return _rules_from_numbers(by_numbers)


def rules_from_index(text: str) -> Rules:
    """Return the rules that were stored in the index as this `text`.

    Raises ValueError if it isn't what `rules_for` writes.
    """
    by_numbers: dict[tuple[int, ...], Limit] = {}
    for name in text.split(";"):
        numbers = tuple(int(number) for number in name.split("/"))
        requests, window, *bursts = numbers
        burst = bursts[0] if bursts else None
        by_numbers[numbers] = Limit(requests, window / 1_000_000, burst)
    return _rules_from_numbers(by_numbers)


def _rules_from_numbers(by_numbers: Mapping[tuple[int, ...], Limit]) -> Rules:
    names = []
    arguments: list[int] = []
    for numbers in by_numbers:
        names.append("/".join(map(str, numbers)))
        requests, window, *bursts = numbers
        burst = bursts[0] if bursts else requests
        arguments += [requests, window, burst]
    limits = tuple(by_numbers.values())
    return Rules(limits, tuple(names), ";".join(names), tuple(arguments))
