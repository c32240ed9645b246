"""Send an hour of requests through a limiter in a second, by setting the limiter's clock.

The limiter is the real one, on a real Redis; only its clock is ours.
"""

import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from course_lib.lab import plots, redis_server
from course_lib.limiter import Algorithm, Limit, RateLimiter

ALGORITHMS: tuple[Algorithm, ...] = (
    "fixed_window",
    "sliding_log",
    "sliding_window",
    "token_bucket",
)

REQUESTS_PER_PAGE = 12


@dataclass(frozen=True)
class Admissions:
    """Which requests a limiter let through: their times in seconds, in order, and `passed`."""

    times: Sequence[float] = field(repr=False)
    passed: Sequence[bool] = field(repr=False)

    def __repr__(self) -> str:
        return f"{sum(self.passed):,} of {len(self.passed):,} passed"

    @property
    def rejected(self) -> int:
        """The number of requests that the limiter rejected."""
        return self.passed.count(False)

    @property
    def rejected_share(self) -> float:
        """The share of the requests that the limiter rejected, from 0 to 1."""
        return self.rejected / len(self.passed)

    def most(self, seconds: float) -> int:
        """Return the largest number of requests that passed within any stretch of that length."""
        requests = zip(self.times, self.passed, strict=True)
        return most([time for time, passed in requests if passed], seconds)


def most(times: Iterable[float], seconds: float) -> int:
    """Return how many of these times are within one stretch of `seconds`, at most.

    The stretch may begin anywhere. Two that are exactly `seconds` apart aren't in the same one.
    """
    in_order = sorted(times)
    first = largest = 0
    for count, time in enumerate(in_order, start=1):
        while time - in_order[first] >= seconds:
            first += 1
        largest = max(largest, count - first)
    return largest


async def replay(times: Iterable[float], algorithm: Algorithm, limit: str | Limit) -> Admissions:
    """Send requests of one client at these times, in order, and return which ones passed.

    Times are in seconds; windows begin at 0.
    """
    in_order = sorted(times)
    now = 0.0
    redis = redis_server.client(f"replay-{secrets.token_hex(6)}")
    limiter = RateLimiter(redis, algorithm=algorithm, clock=lambda: now)
    passed = []
    try:
        for now in in_order:  # noqa: B007  the limiter's clock reads it
            decision = await limiter.check_rate_limit("client", "/", limit)
            passed.append(bool(decision))
    finally:
        await redis.clear()
        await redis.connection_pool.disconnect()
    return Admissions(in_order, passed)


def picture(replays: Mapping[str, Admissions], title: str) -> plots.Picture:
    """Plot which requests passed, a row for each replay on one time axis.

    Beside each row is the most that passed within a minute and within a second.
    """
    requests = {}
    facts = {}
    for name, admissions in replays.items():
        requests[name] = list(zip(admissions.times, admissions.passed, strict=True))
        in_a_minute = admissions.most(60)
        in_a_second = admissions.most(1)
        facts[name] = f"{in_a_minute} in a minute,\n{in_a_second} in a second"
    return plots.admitted(requests, title, facts)


def rush_and_patience() -> list[float]:
    """Return when a client sends requests that does its worst to "100 a minute".

    First a rush of 200 requests around the end of a minute, then a few each second for another
    minute. Times are in seconds.
    """
    rush = [59.5 + number / 200 for number in range(200)]
    patience = [61 + number * 0.4 for number in range(147)]
    return rush + patience


def page_visits(minutes: float = 60, *, seed: int = 1) -> list[float]:
    """Return when a visitor's browser sends requests: 12 within half a second for each page.

    The visitor opens one to three pages some seconds apart, then reads them: 18 requests a minute
    on average. Times are in seconds.
    """
    generator = random.Random(seed)
    times: list[float] = []
    now = generator.uniform(0, 60)
    while now < 60 * minutes:
        pages = generator.choice([1, 2, 3])
        gaps = [generator.uniform(4, 8) for _ in range(pages)]
        for gap in gaps:
            times += [now + 0.04 * number for number in range(REQUESTS_PER_PAGE)]
            now += gap
        reading = 40 * pages - sum(gaps) + generator.uniform(-10, 10)
        now += reading
    return times
