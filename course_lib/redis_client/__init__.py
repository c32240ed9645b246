"""Connect to Redis and keep its failures out of a request: a bounded pool, a time limit, a breaker.

    redis = redis_client.connect("redis://localhost:6379/0")
    value = await CircuitBreaker.of(redis).call(redis.get, "key")  # or RedisUnavailable

Read `client.py` first, then `breaker.py`.
"""

from course_lib.redis_client.breaker import CircuitBreaker, RedisUnavailable
from course_lib.redis_client.client import BYTES, Script, connect, pool

__all__ = [
    "BYTES",
    "CircuitBreaker",
    "RedisUnavailable",
    "Script",
    "connect",
    "pool",
]
