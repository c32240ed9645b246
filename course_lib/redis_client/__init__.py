"""Connect to Redis and keep its failures out of a request: bounded pool, time limits, a breaker.

    redis = redis_client.connect("redis://localhost:6379/0")
    await redis_client.verify(redis)  # at start-up
    value = await CircuitBreaker.of(redis).call(redis.get, "key")  # or RedisUnavailable

Read `client.py` first, then `breaker.py`. `refusals.py` has what counts as unavailable.
"""

from course_lib.redis_client.breaker import CircuitBreaker, RedisUnavailable
from course_lib.redis_client.client import Client, connect, pool
from course_lib.redis_client.connections import check_client
from course_lib.redis_client.script import BYTES, Script
from course_lib.redis_client.verification import verify

__all__ = [
    "BYTES",
    "CircuitBreaker",
    "Client",
    "RedisUnavailable",
    "Script",
    "check_client",
    "connect",
    "pool",
    "verify",
]
