"""The headers of a limited response: how many requests are left, and when to retry.

`X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now) are what most APIs send;
`RateLimit` and `RateLimit-Policy` follow draft-ietf-httpapi-ratelimit-headers-10. Seconds are
rounded up, so a client that waits as told is admitted.

A token bucket's quota is its burst, and its window the time in which that comes back, so that all
headers agree: "20/minute burst 40" has `q=40;w=120`.
"""

import functools
import math
from typing import Any

from course_lib.limiter.decision import Decision
from course_lib.limiter.limits import Limit, limits_of

HEADER_NAMES = (
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
)
"""The headers that CORS has to expose to pages of another origin."""


def rate_limit_headers(decision: Decision, limits: tuple[Limit, ...]) -> dict[str, str]:
    """Return the headers for a response, allowed or rejected; `Retry-After` only if rejected."""
    reset = math.ceil(decision.reset_after)
    strictest = [limit for limit in limits if limit.capacity == decision.limit]
    policy = max(strictest, key=lambda limit: limit.window, default="")
    headers = {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
        "X-RateLimit-Reset": str(reset),
        "RateLimit": f'"{policy}";r={decision.remaining};t={reset}',
        "RateLimit-Policy": _policies(limits),
    }
    if not decision:
        headers["Retry-After"] = str(math.ceil(decision.retry_after))
    return headers


@functools.lru_cache(maxsize=1024)
def _policies(limits: tuple[Limit, ...]) -> str:
    policies = []
    for limit in limits:
        seconds = math.ceil(limit.window * limit.capacity / limit.requests)
        policies.append(f'"{limit}";q={limit.capacity};w={seconds}')
    return ", ".join(policies)


def rejection(decision: Decision) -> str:
    """Return the message for a rejected client."""
    return f"too many requests, try again in {math.ceil(decision.retry_after)} s"


def too_many_requests(decision: Decision, limit: str | Limit) -> dict[str, Any]:
    """Return the arguments of a 429 response, for an endpoint that calls `check_rate_limit` itself.

        raise HTTPException(**too_many_requests(decision, "50/minute"))

    Raises ValueError or TypeError if `limit` isn't a limit, or `decision` isn't a decision.
    """
    if not isinstance(decision, Decision):
        raise TypeError(f"decision must be what check_rate_limit returns, not {decision!r}")
    headers = rate_limit_headers(decision, limits_of(limit))
    return {"status_code": 429, "detail": rejection(decision), "headers": headers}
