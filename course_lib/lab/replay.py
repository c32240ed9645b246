"""Requests at given moments sent through a limiter whose clock is turned: an hour of them takes a second.

The limiter is the real one, on a real Redis; only the time that it goes by is ours.
"""

import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from course_lib.lab import plots, redis_server
from course_lib.limiter import Algorithm, Limit, RateLimiter

ALGORITHMS: tuple[Algorithm, ...] = ("fixed_window", "sliding_log", "sliding_window", "token_bucket")


@dataclass(frozen=True)
class Replay:
    """What became of requests at these moments (seconds, in their order): whether each passed."""

    moments: Sequence[float] = field(repr=False)
    passed: Sequence[bool] = field(repr=False)

    def __repr__(self) -> str:
        return f"{sum(self.passed):,} of {len(self.passed):,} passed"

    @property
    def refused(self) -> float:
        """The share of the requests that were refused."""
        return self.passed.count(False) / len(self.passed)

    def most(self, seconds: float) -> int:
        """How many passed in the stretch of so many seconds in which most did, wherever it begins."""
        return most([moment for moment, passed in zip(self.moments, self.passed, strict=True) if passed], seconds)


def most(moments: Iterable[float], seconds: float) -> int:
    """How many of the moments lie in one stretch of so many seconds; what is that long ago lies no longer in it."""
    in_order = sorted(moments)
    first = found = 0
    for number, moment in enumerate(in_order, start=1):
        while moment - in_order[first] >= seconds:
            first += 1
        found = max(found, number - first)
    return found


async def replay(moments: Iterable[float], algorithm: Algorithm, limit: str | Limit) -> Replay:
    """Send requests of one client at these moments, in their order in time; windows begin at 0."""
    in_order, now = sorted(moments), 0.0
    redis = redis_server.client(f"replay-{secrets.token_hex(6)}")
    limiter = RateLimiter(redis, algorithm=algorithm, clock=lambda: now)
    passed = []
    try:
        for now in in_order:  # noqa: B007  the clock reads it
            passed.append(bool(await limiter.check_rate_limit("client", "/", limit)))
    finally:
        await redis.clear()
        await redis.connection_pool.disconnect()
    return Replay(in_order, passed)


def picture(replays: Mapping[str, Replay], title: str) -> plots.Picture:
    """Who was admitted, on one axis of time, a row for each replay; with the most in any minute and any second."""
    requests = {name: list(zip(each.moments, each.passed, strict=True)) for name, each in replays.items()}
    facts = {name: f"{each.most(60)} in a minute,\n{each.most(1)} in a second" for name, each in replays.items()}
    return plots.admitted(requests, title, facts)


def page_visits(minutes: float = 60, *, seed: int = 1) -> list[float]:
    """When a visitor's browser asks the API: 12 times within half a second for each page.

    One to three pages are opened some seconds apart, then they are read: 18 requests a minute on the average.
    """
    chance = random.Random(seed)
    moments: list[float] = []
    now = chance.uniform(0, 60)
    while now < 60 * minutes:
        pages = chance.choice([1, 2, 3])
        gaps = [chance.uniform(4, 8) for _ in range(pages)]
        for gap in gaps:
            moments += [now + 0.04 * number for number in range(12)]
            now += gap
        now += 40 * pages - sum(gaps) + chance.uniform(-10, 10)
    return moments
