"""Limit the requests to the routes of an ASGI app, before the app sees them."""

import json
import re
from collections.abc import Callable, Collection, Mapping

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.limiter.clients import Identify, address
from course_lib.limiter.headers import rate_limit_headers, rejection
from course_lib.limiter.limiter import RateLimiter
from course_lib.limiter.limits import Limit, limits_by_tier, rules_for
from course_lib.limiter.scripts import Algorithm

RouteLimit = str | Limit | Mapping[str, str | Limit] | None
"""One limit, a limit for each tier, or None for no limit."""

Headers = list[tuple[bytes, bytes]]


class RateLimitMiddleware:
    """Limits requests by route and client; plain ASGI.

        app.add_middleware(
            RateLimitMiddleware,
            limiter=limiter,
            limits={
                "POST /api/events/parse": "50/minute",
                "/api/events/{event_id}": {"free": "100/minute", "pro": "1000/minute"},
                "*": "1000/hour",
            },
            tiers=tier_of_caller,
        )

    - `limits`: by route, with or without a method. The first route that matches a request counts;
      all routes that match only "*" share its limit. None means no limit. A route may have a limit
      for each tier of callers; a caller of an unknown tier gets the first.
    - `identify`: returns the caller from the request's scope, by default its `address`. Don't
      accept a name that the caller hasn't proven.
    - `tiers`: returns the caller's tier from the request's scope.
    - `exempt`: paths that are never limited.

    A request beyond its limit is rejected with 429, a JSON body and `Retry-After`. Every response
    of a limited route carries the headers of `headers.py`, unless the endpoint's own limit has
    set them.
    """

    def __init__(
        self,
        app: App,
        *,
        limiter: RateLimiter,
        limits: Mapping[str, RouteLimit],
        identify: Identify | None = None,
        tiers: Callable[[Scope], str | None] | None = None,
        exempt: Collection[str] = ("/health",),
    ) -> None:
        self.app = app
        self.limiter = limiter
        self.exempt = frozenset(exempt)
        self.identify = identify or address
        self.tiers = tiers
        self._routes = [Route(name, limit, limiter.algorithm) for name, limit in limits.items()]
        if tiers is None and any(len(route.by_tier) > 1 for route in self._routes):
            raise ValueError(
                "a route has a limit for each tier: pass tiers=..., "
                "a function that returns the tier of a request"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._route(scope)
        if route is None or not route.by_tier:
            await self.app(scope, receive, send)
            return
        limit = route.limit_for(self.tiers(scope) if self.tiers else None)
        decision = await self.limiter.check_rate_limit(self.identify(scope), route.name, limit)
        limits = rules_for(limit, self.limiter.algorithm).limits
        headers = _encode(rate_limit_headers(decision, limits))
        if not decision:
            await _reject(send, rejection(decision), headers)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message, headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _route(self, scope: Scope) -> "Route | None":
        """Return the first route that matches a request; None if it isn't limited."""
        if scope["type"] != "http" or scope["path"] in self.exempt:
            return None
        method, path = scope["method"], scope["path"]
        return next((route for route in self._routes if route.matches(method, path)), None)


class Route:
    """A key of `limits`: "POST /api/events", "/api/events/{event_id}" for all methods, or "*"."""

    PATTERN = re.compile(r"(?:([A-Z]+) )?(/\S*)|[*]")

    def __init__(self, name: str, limit: RouteLimit, algorithm: Algorithm) -> None:
        match = self.PATTERN.fullmatch(name)
        if match is None:
            raise ValueError(
                f"{name!r} is not a route: "
                "write 'POST /api/events', '/api/events/{event_id}', or '*'"
            )
        self.name = name
        self.method, path = match.groups()
        self.path = _path_pattern(path)
        self.by_tier = limits_by_tier(limit)
        for own_limit in self.by_tier.values():
            rules_for(own_limit, algorithm)  # a bad limit fails now, not at the first request

    def limit_for(self, tier: str | None) -> str | Limit:
        """Return the limit of a tier; that of the first if the tier is unknown."""
        return self.by_tier.get(tier) or next(iter(self.by_tier.values()))

    def matches(self, method: str, path: str) -> bool:
        """Return True if a request is to this route. HEAD counts as GET."""
        if method == "HEAD" and self.method == "GET":
            method = "GET"
        return self.method in (None, method) and bool(self.path.fullmatch(path))


def _path_pattern(path: str | None) -> re.Pattern[str]:
    if path is None:
        return re.compile(".*", re.DOTALL)
    return re.compile(re.sub(r"\\{[^/]*?\\}", "[^/]+", re.escape(path)))


def _encode(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _add_headers(message: Message, headers: Headers) -> None:
    """Add our headers to a response, unless the endpoint's own limit has set them."""
    own = message.get("headers", [])
    if not any(name.lower() == b"x-ratelimit-limit" for name, _ in own):
        message["headers"] = [*own, *headers]


async def _reject(send: Send, detail: str, headers: Headers) -> None:
    """Respond with 429 and a JSON body like that of FastAPI's own errors."""
    body = json.dumps({"detail": detail}).encode()
    content = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    start = {"type": "http.response.start", "status": 429, "headers": [*headers, *content]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
