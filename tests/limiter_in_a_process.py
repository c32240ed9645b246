"""Send requests from one process, for tests/test_limiter.py.

    limiter_in_a_process.py PROCESSES URL ALGORITHM USER LIMIT SECONDS

Once all PROCESSES are ready, 20 tasks send ten requests each, or as many as they can in SECONDS if
that isn't 0. Prints what happened as JSON; times are in seconds since the epoch.
"""

import asyncio
import json
import math
import sys
import time
from typing import Any

from course_lib import redis_client
from course_lib.limiter import RateLimiter
from course_lib.redis_client import CircuitBreaker

TASKS = 20
REQUESTS_A_TASK = 10


async def main(processes: str, url: str, algorithm: Any, *arguments: str) -> None:
    user, limit, seconds = arguments
    duration = float(seconds) or math.inf
    redis = redis_client.connect(url, time_limit=10.0)
    # With so many processes the machine may be slow, and must not look like a Redis that is down.
    CircuitBreaker.of(redis).time_limit = 60.0
    limiter = RateLimiter(redis, algorithm=algorithm, on_error="deny")
    await redis.incr(f"ready {user}")
    while int(await redis.get(f"ready {user}")) < int(processes):
        await asyncio.sleep(0.001)
    requests = admitted = 0
    last_request = started = time.time()
    first_replies: list[float] = []

    async def send_requests() -> None:
        nonlocal requests, admitted, last_request
        number = 0
        while duration < math.inf or number < REQUESTS_A_TASK:
            now = time.time()
            if number and now > started + duration:
                break
            last_request = now
            decision = await limiter.check_rate_limit(user, "endpoint", limit)
            admitted += decision.allowed  # after the await, so that no task's count gets lost
            requests += 1
            if not number:
                first_replies.append(time.time())
            number += 1

    await asyncio.gather(*[send_requests() for _ in range(TASKS)])
    results = {
        "requests": requests,
        "admitted": admitted,
        "started": started,
        "first_reply": min(first_replies),
        "last_request": last_request,
        "ended": time.time(),
    }
    print(json.dumps(results))
    await redis.aclose()


asyncio.run(main(*sys.argv[1:]))
