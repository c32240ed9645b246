"""Measure how long a lookup and a decision take while Redis is unavailable.

    python benchmarks/unavailable.py

Redis is killed or paused (SIGSTOP). The first calls wait for it, until the breaker opens; the
following ones must not.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

from tables import table_row

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server, show
from course_lib.limiter import RateLimiter

CALLS = 20
FAILURES = 3  # that open the breaker
CLOSED_BAR, OPEN_BAR = 0.1, 0.001  # seconds


@dataclass(frozen=True)
class Outage:
    """The slowest calls during an outage, before and after the breaker opened, in seconds."""

    call: str
    state: str
    closed: float
    opened: float

    @property
    def holds(self):
        """True if no call took longer than its bar."""
        return self.closed <= CLOSED_BAR and self.opened <= OPEN_BAR


def calls_of(redis):
    """Return a function for each operation that needs Redis, by name."""
    cache, limiter = Cache(redis), RateLimiter(redis)
    return {
        "cache.get": lambda: cache.get("key"),
        "check_rate_limit": lambda: limiter.check_rate_limit("user-42", "/api/events", "9/minute"),
    }


async def outages():
    """Kill and pause Redis for each operation, and return the slowest calls."""
    results = []
    for name in ("cache.get", "check_rate_limit"):
        for how, state in (("kill", "killed"), ("pause", "paused")):
            with redis_server.start() as server:
                seconds = await time_calls(server, name, how)
            closed = max(seconds[:FAILURES])
            opened = max(seconds[FAILURES:])
            results.append(Outage(name, state, closed, opened))
    return results


async def time_calls(server, name, how):
    """Return the seconds of each call after the server was killed or paused."""
    redis = redis_client.connect(server.url, failures=FAILURES)
    call = calls_of(redis)[name]
    await call()
    getattr(server, how)()
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - start)
    with contextlib.suppress(RuntimeError):  # a killed server can't resume
        server.resume()
    await redis.aclose()
    return seconds


def markdown(results):
    """Return a section of the page: a table of the outages, and whether the bars hold."""
    head = ("operation", "Redis is", "slowest until the breaker opens", "slowest while it's open")
    rows = [head, ["---"] * len(head)]
    for result in results:
        slowest = (show.duration(result.closed), show.duration(result.opened))
        rows.append((result.call, result.state, *slowest))
    missed = [f"{result.call}, {result.state}" for result in results if not result.holds]
    verdict = "Both bars hold."
    if missed:
        verdict = f"**We miss a bar**: {'; '.join(missed)}."
    closed, opened = show.duration(CLOSED_BAR), show.duration(OPEN_BAR)
    text = f"The slowest of {CALLS} calls. Our bars are {closed} and {opened}."
    lines = [table_row(row) for row in rows]
    return "\n".join(["## Redis unavailable", "", text, "", *lines, "", f"- {verdict}", ""])


def main():
    logging.disable()
    print(markdown(asyncio.run(outages())))


if __name__ == "__main__":
    main()
