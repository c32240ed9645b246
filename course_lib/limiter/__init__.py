"""Limit how often a client may call an endpoint: four algorithms, each one atomic script in Redis.

    limiter = RateLimiter(redis_client.connect(url))
    decision = await limiter.check_rate_limit(user_id, "/api/events", "100/minute")

Read `limiter.py` first, then an algorithm in `lua/`. A decision takes one round trip:

    check_rate_limit --> rules, key --> script in Redis --> the strictest limit --> Decision
                                          +-- Redis is unavailable --> on_error ------^

    limits.py         "50/minute" as text, as numbers, and as the rules that a script takes
    keys.py           the keys in Redis
    scripts.py        the four algorithms, loaded from `lua/`
    decision.py       the outcome of a check: that of the strictest limit
    index.py          which limits a user has spent something of

A request gets there by the middleware, or by the decorator of its endpoint:

    middleware --> rule of its route --> limit of its tier --+--> client, cost --> check_rate_limit
    decorator -----------------------------------------------+                             |
    endpoint or 429, with headers <--------------------------------------------------------+

    middleware.py     limits for the routes of any ASGI app
    route_limits.py   which rule applies to a request
    route_rule.py     a key of `limits` and its limit; when it applies
    routes.py         which route of the app serves a request
    explanation.py    which limits apply to each route
    decorator.py      a limit for one FastAPI endpoint, or a dependency
    signatures.py     what FastAPI passes to an endpoint
    request_check.py  the steps that middleware and decorator share
    clients.py        which client a request comes from
    headers.py        what a response tells the client: `X-RateLimit-*`, `Retry-After`
    rejections.py     the middleware's response to a rejected request or handshake
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
