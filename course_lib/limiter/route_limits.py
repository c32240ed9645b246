"""Decide which limit applies to a request: that of the first key of `limits` that matches it.

`route_rule.py` says when a key matches.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from course_lib.asgi import Scope
from course_lib.checks import check_texts
from course_lib.limiter.route_rule import NO_LIMIT, WEBSOCKET, RouteLimit, RouteRule, example
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

COMMON_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
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

        Raises ValueError if a key isn't a route, if a limit isn't one, or if a limit could never
        apply because an earlier key or an exemption covers its route. Raises TypeError for other
        types.
        """
        if not isinstance(limits, Mapping):
            raise TypeError(f"limits must be a dict of limits by route, not {limits!r}")
        check_texts("limits", limits.keys())
        check_texts("exempt", exempt)
        exemptions = [RouteRule(key, None, algorithm) for key in exempt]
        limited = [RouteRule(key, limit, algorithm) for key, limit in limits.items()]
        self.rules = [*exemptions, *limited]
        for number, rule in enumerate(limited):
            _check_reachable(rule, exemptions, limited[:number])
        self._router: Any = None
        self._routes: list[AppRoute] = []
        self._routes_read = -1  # of the router, at the last check
        self._fixed_paths: frozenset[str] = frozenset()  # of routes without parameters
        self._known: dict[tuple[str, str], RouteRule | None] = {}  # by method and fixed path

    def find(self, scope: Scope, app: Any) -> RouteRule | None:
        """Return the rule that limits a request to `app`; None if none applies.

        Raises ValueError at the first request if a key matches no route of the app.
        """
        if self._routes_read != self._count_routes():
            self.log_routes(app, scope)
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

    def log_routes(self, app: Any, scope: Scope) -> None:
        """Read the routes of an app and log their limits. Raises what `read_routes` does."""
        for route, limit in self.read_routes(app, scope).items():
            log.info("%s: %s", route, limit)

    def read_routes(self, app: Any, scope: Scope | None = None) -> dict[str, str]:
        """Read the routes of an app for `find`, and return the limit of each as text.

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
            for name, method in names_of(route):
                limit = self.text_for(method, route)
                by_rule = [limit] if limit else []
                texts[name] = one_text(by_rule + own_limits_of(route))
        return texts

    def text_for(self, method: str, route: AppRoute, mount: str = "") -> str | None:
        """Return the limit of a route as text, with the path that its app is mounted under."""
        rule = self._rule_for(method, example(route.path), route)
        if rule is None:
            return None
        place = f" in {mount}" if mount else ""
        return f"{rule} ({rule.key}{place})"

    def _rule_for(self, method: str, path: str, route: AppRoute | None) -> RouteRule | None:
        """Return the first rule that applies to a request."""
        for rule in self.rules:
            if rule.applies(method, path, route):
                return rule
        return None

    def _count_routes(self) -> int:
        return 0 if self._router is None else len(self._router.routes)

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


def _check_reachable(
    rule: RouteRule, exemptions: list[RouteRule], earlier: list[RouteRule]
) -> None:
    """Raise ValueError if no request is left to a rule."""
    for exemption in exemptions:
        if exemption.covers(rule):
            raise ValueError(
                f"{exemption.key!r} is exempt, so the limit of {rule.key!r} would never apply: "
                "remove the limit, or pass `exempt` without the route"
            )
    for first in earlier:
        if first.covers(rule):
            raise ValueError(
                f"{rule.key!r} comes after {first.key!r}, which applies to the same requests, so "
                f"its limit would never apply: put {rule.key!r} first"
            )


def own_limits_of(route: AppRoute) -> list[str]:
    """Return the limits by decorators and dependencies as texts; an empty list if there's none."""
    own_limit = getattr(route.endpoint, "rate_limit", None)
    texts = [f"{own_limit} (its own)"] if own_limit else []
    for dependency in route.dependencies:
        if limit := getattr(dependency, "rate_limit", None):
            texts.append(f"{limit} (a dependency)")
    return [*dict.fromkeys(texts)]  # a router and its route may have the same dependency


def one_text(limits: list[str]) -> str:
    """Return the limits of a route as one text. If one applies, an exemption isn't mentioned."""
    real = [text for text in limits if not text.startswith(NO_LIMIT)]
    return ", and ".join(real or limits[:1]) or NO_LIMIT


def names_of(route: AppRoute) -> list[tuple[str, str]]:
    """Return a route's names for people, one for each method, with the method."""
    if route.methods is None:
        return [(route.path, "GET")]
    methods = route.methods
    if "GET" in methods:
        methods -= {"HEAD"}
    return [(f"{method} {route.path}", method) for method in sorted(methods)]
