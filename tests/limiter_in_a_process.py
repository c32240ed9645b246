"""A process of its own for tests/test_limiter.py. Arguments: how many, url, algorithm, user, limit, seconds.

It asks from 20 tasks at once, ten times each or for so many seconds, when all processes are ready.
"""

import asyncio
import json
import sys
import time
from typing import Any

from course_lib import redis_client
from course_lib.limiter import RateLimiter
from course_lib.redis_client import CircuitBreaker


async def main(processes: str, url: str, algorithm: Any, *arguments: str) -> None:
    user, limit, seconds = arguments
    redis = redis_client.connect(url)
    # A machine that is slow with so many processes must not pass for a Redis that is away, where all are let in.
    CircuitBreaker.of(redis).time_limit = 60.0
    limiter = RateLimiter(redis, algorithm=algorithm, on_error="deny")
    await redis.incr(f"ready {user}")
    while int(await redis.get(f"ready {user}")) < int(processes):
        await asyncio.sleep(0.001)
    asked = admitted = 0
    last = began = time.time()
    told: list[float] = []  # when each task had its first answer

    async def ask() -> None:
        nonlocal asked, admitted, last
        for number in range(10**9 if float(seconds) else 10):
            now = time.time()
            if number and now > began + (float(seconds) or 10**9):
                break
            last = now
            decision = await limiter.check_rate_limit(user, "endpoint", limit)
            admitted += decision.allowed  # after the await, or others would count in between
            asked += 1
            if not number:
                told.append(time.time())

    await asyncio.gather(*[ask() for _ in range(20)])
    print(
        json.dumps(
            {
                "asked": asked,
                "admitted": admitted,
                "began": began,
                "told": min(told),
                "last": last,
                "ended": time.time(),
            }
        )
    )
    await redis.aclose()


asyncio.run(main(*sys.argv[1:]))
