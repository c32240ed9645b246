"""Limit the requests to the routes of an ASGI app, before the app sees them."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping

from course_lib.asgi import App, Message, Receive, Scope, Send
from course_lib.checks import check_functions
from course_lib.limiter.clients import Identify, address
from course_lib.limiter.decision import Decision
from course_lib.limiter.limiter import RateLimiter
from course_lib.limiter.limits import Cost
from course_lib.limiter.rejections import Headers, add_headers, reject
from course_lib.limiter.request_check import RequestCheck
from course_lib.limiter.route_limits import EXEMPT, RouteLimits
from course_lib.limiter.route_rule import RouteLimit, Tiers


class RateLimitMiddleware:
    """Limits requests by route and client; plain ASGI.

        app.add_middleware(
            RateLimitMiddleware,
            limiter=limiter,
            limits={
                "POST /api/events/parse": "50/minute",
                "/api/events/{event_id}": {"free": "100/minute", "pro": None},
                "/static/*": None,
                "*": "1000/hour",
            },
            tiers=tier_of_caller,
        )

    - `limits`: by route, as the app declares it, with or without a method. "/static/*" is a route
      and everything below it. The first key that applies to a request counts, so a key that could
      never apply is a ValueError. All routes under "*" or "/static/*" share its limit. None means
      no limit. Instead of one limit, a route may have one for each tier of callers (a caller of an
      unknown tier gets the first), or a function that returns the limit of a request from its scope
      and may be async.
    - `identify`: returns the caller from the request's scope, by default its `address`; may be
      async. Don't accept a name that the caller hasn't proven.
    - `anonymous`: identifies the requests for which `identify` returns None, by default by their
      `address`. None means that they aren't limited.
    - `tiers`: returns the caller's tier from the request's scope; may be async.
    - `exempt`: routes that are never limited, written like those of `limits`.
    - `cost`: returns how many requests of the limit a request uses up, by default 1; may be async.
      A fraction is rounded up. A request that costs 0 is always allowed. Anything that isn't a
      number from 0 counts as 1, and is logged once.
    - `on_reject`: returns the response to a rejected request, from its scope and the decision: any
      ASGI app, such as a `JSONResponse` of Starlette's; may be async. The limit's headers are
      added.

    A request beyond its limit is rejected with 429, a JSON body and `Retry-After`; a WebSocket is
    limited at its handshake. Every response of a limited route carries the headers of `headers.py`,
    unless the endpoint's own limit has set them. A browser's preflight requests aren't counted,
    unless their route serves OPTIONS itself.

    When the app starts, each route is logged with its limit, and a key that matches no route is a
    ValueError; without a lifespan, that happens at the first request.
    """

    def __init__(
        self,
        app: App,
        *,
        limiter: RateLimiter,
        limits: Mapping[str, RouteLimit],
        identify: Identify | None = None,
        anonymous: Identify | None = address,
        tiers: Tiers | None = None,
        exempt: Collection[str] = EXEMPT,
        cost: Cost | None = None,
        on_reject: Callable[[Scope, Decision], App | Awaitable[App]] | None = None,
    ) -> None:
        if not isinstance(limiter, RateLimiter):
            raise TypeError(f"limiter must be a RateLimiter, not {limiter!r}")
        check_functions(app=app, tiers=tiers, on_reject=on_reject)
        self.app = app
        self.limiter = limiter
        self.tiers = tiers
        self.on_reject = on_reject
        self._check = RequestCheck(limiter, identify, anonymous, cost)
        self.route_limits = RouteLimits(limits, exempt, limiter.algorithm)
        if tiers is None and any(rule.has_tiers for rule in self.route_limits.rules):
            raise ValueError(
                "a route has a limit for each tier: pass tiers=..., "
                "a function that returns the tier of a request"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, handshake or lifespan."""
        if scope["type"] not in ("http", "websocket"):
            await self._serve_lifespan(scope, receive, send)
            return
        rule = self.route_limits.find(scope, self.app)
        checked = None
        if rule is not None:
            limit = await rule.limit_for(scope, self.tiers)
            checked = await self._check.check(scope, rule.key, limit)
        if checked is None:
            await self.app(scope, receive, send)
            return
        decision, headers = checked.decision, _encode(checked.headers)

        async def send_with_headers(message: Message) -> None:
            add_headers(message, headers)
            await send(message)

        if decision:
            await self.app(scope, receive, send_with_headers)
        elif self.on_reject:
            response = self.on_reject(scope, decision)
            if inspect.isawaitable(response):
                response = await response
            if not callable(response):
                raise TypeError(f"on_reject must return an ASGI response, not {response!r}")
            await response(scope, receive, send_with_headers)
        else:
            await reject(scope, send, decision, headers)

    async def _serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the routes, and log their limits, as soon as the app has started."""

        async def send_checked(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.route_limits.log_routes(self.app, scope)
            await send(message)

        await self.app(scope, receive, send_checked)


def _encode(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
