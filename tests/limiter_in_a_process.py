"""Send requests from one process, for tests/test_limiter.py.

    limiter_in_a_process.py PROCESSES URL USER

With each algorithm, once all PROCESSES are ready, 20 tasks send ten requests each; to the token
bucket, as many as they can in 1.5 s. Prints what happened as JSON, by algorithm; times are in
seconds since the epoch.
"""

import asyncio
import json
import math
import sys
import time

from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.limiter import Algorithm, RateLimiter
from course_lib.redis_client import CircuitBreaker

LIMITS: dict[Algorithm, tuple[str, float]] = {
    "fixed_window": ("100/day", math.inf),
    "sliding_log": ("100/day", math.inf),
    "sliding_window": ("100/day", math.inf),
    "token_bucket": ("50/second burst 100", 1.5),
}
"""The limit, and for how many seconds the requests are sent; infinite for ten of each task."""
TASKS = 20
REQUESTS_A_TASK = 10


async def main(processes: str, url: str, user: str) -> None:
    redis = redis_client.connect(url, time_limit=10.0)
    # With so many processes the machine may be slow, and must not look like a Redis that is down.
    CircuitBreaker.of(redis).time_limit = 60.0
    results = {}
    for algorithm in LIMITS:
        ready = f"ready {algorithm} {user}"
        await redis.incr(ready)
        while int(await redis.get(ready)) < int(processes):
            await asyncio.sleep(0.001)
        results[algorithm] = await send(redis, algorithm, user)
    print(json.dumps(results))
    await redis.aclose()


async def send(redis: Redis, algorithm: Algorithm, user: str) -> dict[str, float]:
    """Send the requests with one algorithm."""
    limiter = RateLimiter(redis, algorithm=algorithm, on_error="deny")
    limit, duration = LIMITS[algorithm]
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
    return {
        "requests": requests,
        "admitted": admitted,
        "started": started,
        "first_reply": min(first_replies),
        "last_request": last_request,
        "ended": time.time(),
    }


asyncio.run(main(*sys.argv[1:]))
