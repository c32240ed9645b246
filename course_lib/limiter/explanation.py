"""Explain which limits apply to each route of an app, from the outermost middleware inwards.

RateLimitMiddleware --> app --> mount --> RateLimitMiddleware --> mounted app --> endpoint
"/v1/*", "*"                              its own routes                          its own limit
"""

import copy
from collections.abc import Iterator
from typing import Any

from course_lib.limiter.route_limits import EXEMPT, RouteLimits, names_of, one_text, own_limits_of
from course_lib.limiter.routes import AppRoute, endpoints_of, has_routes, router_in, routes_of

Texts = dict[tuple[str, str], list[str]]
"""The texts of a route's limits, by its method and path."""


def explain_limits(app: Any, limiter: Any) -> dict[str, str]:
    """Return the limit of each route of an app by the middlewares and decorators of a limiter.

    Raises TypeError if the app has no routes, ValueError if a limit matches none of them.
    """
    router = router_in(app)
    if router is None:
        raise TypeError(f"app must be a Starlette or FastAPI app, not {app!r}")
    texts = _limits_by_middleware(app, limiter)
    explained = {}
    for route in endpoints_of(routes_of(router)):
        for name, method in names_of(route):
            found = [*texts[method, route.path], *own_limits_of(route)]
            explained[name] = one_text(found)
    return explained


def _limits_by_middleware(app: Any, limiter: Any, mount: str = "") -> Texts:
    """Return the limits of the routes of an app that is mounted under a path."""
    layers = list(_layers(app, limiter))
    routes = routes_of(router_in(app))
    texts: Texts = {}
    for route in endpoints_of(routes):
        for _, method in names_of(route):
            around_route = _layers(route.app, limiter)
            by_layer = [layer.text_for(method, route, mount) for layer in [*layers, *around_route]]
            texts[method, mount + route.path] = [*filter(None, by_layer)]
    for route in _mounts(routes):
        inner = _limits_by_middleware(route.app, limiter, mount + route.path)
        for key, found in inner.items():
            texts[key] += found
    return texts


def _mounts(routes: list[AppRoute]) -> Iterator[AppRoute]:
    """Yield the mounts of apps that have routes."""
    for route in routes:
        if route.children is not None:
            yield route


def _layers(app: Any, limiter: Any) -> Iterator[RouteLimits]:
    """Yield the limits of each middleware of this limiter around an app's routes."""
    while app is not None:
        if getattr(app, "limiter", None) is limiter and hasattr(app, "route_limits"):
            limits = copy.copy(app.route_limits)  # keeps the routes that requests match
            limits.read_routes(app.app)
            yield limits
        for middleware in getattr(app, "user_middleware", ()):
            options = middleware.kwargs
            if options.get("limiter") is limiter and "limits" in options:
                exempt = options.get("exempt", EXEMPT)
                limits = RouteLimits(options["limits"], exempt, limiter.algorithm)
                limits.read_routes(app)
                yield limits
        if has_routes(app):  # a router has its middleware built in
            is_router = not hasattr(app, "user_middleware")
            app = getattr(app, "middleware_stack", None) if is_router else None
        else:
            app = getattr(app, "app", None)
