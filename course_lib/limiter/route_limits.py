"""Decide which limit applies to a request: the keys of `limits`, matched with an app's routes.

A key applies to a request if the route that serves it has the same path, whatever its parameters
are called, or if the key's own pattern matches the request's path. The first key that applies
counts.
"""

import functools
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from course_lib.asgi import Scope
from course_lib.limiter.limits import LimitOfRequest, OneLimit, rules_for
from course_lib.limiter.routes import (
    AppRoute,
    endpoints_of,
    find_route,
    match_by_path,
    route_path,
    router_in,
    routes_of,
)
from course_lib.limiter.scripts import Algorithm

log = logging.getLogger(__package__)

RouteLimit = OneLimit | Mapping[str, OneLimit] | LimitOfRequest
"""One limit, a limit for each tier, or a function that returns the limit of a request."""
Tiers = Callable[[Scope], str | Awaitable[str | None] | None]
"""Returns the tier of a request's caller from its scope; may be async."""

PARAMETER = re.compile(r"{[^/{}:]*(?::([^/{}]*))?}")
PATTERNS = {  # those of Starlette's path converters
    "int": "[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": "[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}",
    "path": "(?s:.*)",
}
EXAMPLES = {
    "int": "1",
    "float": "1",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "path": "a/b",
}
COMMON_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
WEBSOCKET = "WEBSOCKET"  # the method of a handshake in a key of `limits`


class Rule:
    """A key of `limits` and its limit.

    "POST /api/events"         one method of a route
    "/api/events/{event_id}"   all methods of a route
    "/static/*"                "/static" and everything below it
    "WEBSOCKET /live"          the handshakes of a WebSocket route, which "/live" includes
    "*", "POST *"              everything else
    """

    KEY = re.compile(r"(?:([A-Z]+) )?(/[^\s*]*(?:(?<=/)\*)?|\*)")

    def __init__(self, key: str, limit: RouteLimit, algorithm: Algorithm) -> None:
        match = self.KEY.fullmatch(key)
        if match is None:
            raise ValueError(
                f"{key!r} is not a route: "
                "write 'POST /api/events', '/api/events/{event_id}', '/static/*' or '*'"
            )
        self.key = key
        self.limit = limit
        self.method, self.path = match.groups()
        self._shape = _shape(self.path)
        self._pattern = _pattern(self.path)
        # A bad limit fails now, not at the first request.
        tiers = limit.values() if isinstance(limit, Mapping) else [limit]
        for own_limit in tiers:
            if own_limit is not None and not callable(own_limit):
                rules_for(own_limit, algorithm)

    @property
    def has_tiers(self) -> bool:
        """True if tiers of callers have different limits."""
        return isinstance(self.limit, Mapping) and len(self.limit) > 1

    async def limit_for(self, scope: Scope, tiers: Tiers | None) -> OneLimit | LimitOfRequest:
        """Return the limit of a request's tier; that of the first tier if the tier is unknown."""
        limit = self.limit
        if not isinstance(limit, Mapping):
            return limit
        tier = tiers(scope) if tiers else None
        if inspect.isawaitable(tier):
            tier = await tier
        first = next(iter(limit.values()), None)
        return first if tier is None else limit.get(tier, first)

    def applies(self, method: str, path: str, route: AppRoute | None) -> bool:
        """Return True if this is the limit of a request that `route` serves."""
        if not self._takes(method):
            return False
        if self._pattern.match(path):
            return True
        if route is None:
            return False
        is_above = self.path.endswith("/*") and self._pattern.match(route.path)
        return bool(is_above) or _shape(route.path) == self._shape

    def can_apply(self, route: AppRoute) -> bool:
        """Return True if there may be requests to this route that the rule applies to."""
        takes_a_method = not route.methods or any(map(self._takes, route.methods))
        if not takes_a_method:
            return False
        if self._pattern.match(_example(route.path)):
            return True
        if _pattern(route.path).match(_example(self.path)):
            return True
        return _shape(route.path) == self._shape

    def _takes(self, method: str) -> bool:
        """Return True if the rule is for this method. HEAD counts as GET."""
        is_head_of_get = method == "HEAD" and self.method == "GET"
        return self.method in (None, method) or is_head_of_get

    def __str__(self) -> str:
        if callable(self.limit):
            return "depends on the request"
        if isinstance(self.limit, Mapping):
            return ", ".join(f"{tier}: {_text(limit)}" for tier, limit in self.limit.items())
        return _text(self.limit)


EXEMPT = ("/health",)
"""The routes that are exempt by default; an app needn't have them."""


class RouteLimits:
    """The limits of an app's routes."""

    def __init__(
        self,
        limits: Mapping[str, RouteLimit],
        exempt: Collection[str],
        algorithm: Algorithm,
    ) -> None:
        """Read `limits`, and the routes that are `exempt`.

        Raises ValueError if a key isn't a route or a limit isn't one.
        """
        exemptions = [Rule(key, None, algorithm) for key in exempt]
        limited = [Rule(key, limit, algorithm) for key, limit in limits.items()]
        self.rules = [*exemptions, *limited]
        self._router: Any = None
        self._routes: list[AppRoute] = []
        self._routes_read = -1  # of the router, at the last check
        self._fixed_paths: frozenset[str] = frozenset()
        self._known: dict[tuple[str, str], Rule | None] = {}

    def find(self, scope: Scope, app: Any) -> Rule | None:
        """Return the limit of a request to `app`; None if none applies.

        Raises ValueError at the first request if a key matches no route of the app.
        """
        if self._routes_read != self._count_routes():
            self.start(app, scope)
        if getattr(self._router, "root_path", ""):  # FastAPI will set it, further in
            scope = {**scope, "root_path": self._router.root_path}
        path = route_path(scope)
        method = scope["method"].upper() if scope["type"] == "http" else WEBSOCKET
        key = method, path
        if key in self._known:
            return self._known[key]
        route = find_route(self._routes, scope)
        if method == "OPTIONS" and self._is_preflight(scope, route):
            return None
        rule = self._rule_for(method, path, route)
        if path in self._fixed_paths and method in COMMON_METHODS:
            self._known[key] = rule
        return rule

    def start(self, app: Any, scope: Scope) -> None:
        """Read the routes of an app and log their limits. Raises ValueError as `check` does."""
        for route, limit in self.check(app, scope).items():
            log.info("%s: %s", route, limit)

    def check(self, app: Any, scope: Scope | None = None) -> dict[str, str]:
        """Read the routes of an app, and return the limit of each as text.

        If there are none behind `app`, it's the middleware of a single route, and the routes are
        those of the app in the `scope`. Raises ValueError if a key matches none of them.
        """
        self._router = router_in(app) or router_in((scope or {}).get("app"))
        routes = [] if self._router is None else routes_of(self._router)
        served = list(endpoints_of(routes))
        for rule in self.rules if served else ():
            is_needed = rule.path != "*" and rule.key not in EXEMPT
            if is_needed and not any(rule.can_apply(route) for route in served):
                paths = ", ".join(sorted({route.path for route in served}))
                raise ValueError(
                    f"no route of the app matches {rule.key!r}, so its limit would never apply: "
                    f"choose from {paths}, or write '/prefix/*' for all routes below a prefix"
                )
        self._routes, self._routes_read = routes, self._count_routes()
        fixed_paths = [route.path for route in served if "{" not in route.path]
        self._fixed_paths = frozenset(fixed_paths if match_by_path(routes) else ())
        self._known = {}
        texts = {}
        for route in served:
            for name, method in _names(route):
                texts[name] = self._text_for(method, route)
        return texts

    def _rule_for(self, method: str, path: str, route: AppRoute | None) -> Rule | None:
        """Return the first rule that applies to a request."""
        for rule in self.rules:
            if rule.applies(method, path, route):
                return rule
        return None

    def _count_routes(self) -> int:
        return 0 if self._router is None else len(self._router.routes)

    def _text_for(self, method: str, route: AppRoute) -> str:
        path = _example(route.path)
        rule = self._rule_for(method, path, route)
        text = f"{rule} ({rule.key})" if rule else "no limit"
        own_limit = getattr(route.endpoint, "rate_limit", None)
        if own_limit:
            text = f"{text}, and {own_limit} (its own)"
        return text

    def _is_preflight(self, scope: Scope, route: AppRoute | None) -> bool:
        """Return True if a browser asks whether it may send a request, which CORS answers.

        If the route serves OPTIONS itself, the request counts: anyone can send these headers.
        """
        names = {name for name, _ in scope["headers"]}
        if not {b"origin", b"access-control-request-method"} <= names:
            return False
        if route is None:
            return bool(self._routes)
        return route.methods is not None and "OPTIONS" not in route.methods


def explain_limits(app: Any, limiter: Any) -> dict[str, str]:
    """Return the limit of each route of an app by the middlewares and decorators of a limiter."""
    text_of: dict[str, str] = RouteLimits({}, (), limiter.algorithm).check(app)
    for middleware in getattr(app, "user_middleware", ()):
        options = middleware.kwargs
        if options.get("limiter") is limiter and "limits" in options:
            exempt = options.get("exempt", EXEMPT)
            limits = RouteLimits(options["limits"], exempt, limiter.algorithm)
            text_of |= limits.check(app)
    return text_of


def _names(route: AppRoute) -> list[tuple[str, str]]:
    """Return a route's names for people, one for each method, with the method."""
    if route.methods is None:
        return [(route.path, "GET")]
    methods = route.methods
    if "GET" in methods:
        methods -= {"HEAD"}
    return [(f"{method} {route.path}", method) for method in sorted(methods)]


def _text(limit: OneLimit) -> str:
    return "no limit" if limit is None else str(limit)


@functools.lru_cache(maxsize=1024)
def _shape(path: str) -> str:
    """Return a path without the names and kinds of its parameters."""
    return PARAMETER.sub("{}", path)


def _example(path: str) -> str:
    """Return a path that a route or a key matches."""
    return PARAMETER.sub(lambda match: EXAMPLES.get(match[1], "a"), path).replace("*", "a/b")


def _pattern(path: str) -> re.Pattern[str]:
    """Return the pattern of a path. Like Starlette's, it ends with `$`: before a last line feed."""
    if path == "*":
        return re.compile("")
    below = path.endswith("/*")
    text = path.removesuffix("/*") if below else path
    pattern, end = "", 0
    for match in PARAMETER.finditer(text):
        pattern += re.escape(text[end : match.start()])
        pattern += PATTERNS.get(match[1], "[^/]+")
        end = match.end()
    pattern += re.escape(text[end:])
    return re.compile(f"{pattern}(?s:/.*)?$" if below else f"{pattern}$")
