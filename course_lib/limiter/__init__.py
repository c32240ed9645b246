"""Limit how often a client may call an endpoint: four algorithms, each one atomic script in Redis.

    limiter = RateLimiter(redis_client.connect(url))
    decision = await limiter.check_rate_limit(user_id, "/api/events", "100/minute")

Read `limiter.py` first, then an algorithm in `lua/`. The other files:

    limits.py         "50/minute" as text and as numbers
    decision.py       the outcome of a check
    keys.py           the keys in Redis
    index.py          which limits a user has spent something of
    scripts.py        the four algorithms, loaded from `lua/`
    middleware.py     limits for the routes of any ASGI app
    route_limits.py   which limit applies to a request
    route_rule.py     when one key of `limits` applies
    routes.py         which route of the app serves it
    explanation.py    which limits apply to each route
    decorator.py      a limit for one FastAPI endpoint
    clients.py        which client a request comes from
    request_check.py  the steps that middleware and decorator share
    headers.py        what a response tells the client: `X-RateLimit-*`, `Retry-After`
    rejections.py     the response to a rejected request or handshake
"""

from course_lib.limiter.clients import address, address_behind
from course_lib.limiter.decision import Decision
from course_lib.limiter.headers import HEADER_NAMES, too_many_requests
from course_lib.limiter.limiter import RateLimiter
from course_lib.limiter.limits import Limit, parse
from course_lib.limiter.middleware import RateLimitMiddleware
from course_lib.limiter.scripts import Algorithm

__all__ = [
    "HEADER_NAMES",
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
