"""Limit how often a client may call an endpoint, by four algorithms, each one atomic script in Redis.

    limiter = RateLimiter(redis_client.connect(url))
    decision = await limiter.check_rate_limit(user_id, "/api/events", "100/minute")

Read `limiter.py` first.
"""

from course_lib.limiter.limiter import (
    Algorithm,
    Decision,
    Limit,
    RateLimiter,
    RateLimitMiddleware,
    address,
    address_behind,
    parse,
    too_many_requests,
)

__all__ = [
    "Algorithm",
    "Decision",
    "Limit",
    "RateLimitMiddleware",
    "RateLimiter",
    "address",
    "address_behind",
    "parse",
    "too_many_requests",
]
