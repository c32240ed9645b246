"""Connect to Redis and keep its troubles out of a request: bounded connections, a time limit, a circuit breaker.

    redis = redis_client.connect("redis://localhost:6379/0")

Read `client.py`.
"""

from course_lib.redis_client.client import (
    BYTES,
    CircuitBreaker,
    RedisUnavailable,
    Script,
    connect,
    pool,
)

__all__ = [
    "BYTES",
    "CircuitBreaker",
    "RedisUnavailable",
    "Script",
    "connect",
    "pool",
]
