"""Find the endpoint of a request: its method and the whole template of its route.

Works with FastAPI and with Starlette, and imports neither.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from course_lib.asgi import Scope

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"})
OTHER = "OTHER"  # stands for a method that HTTP doesn't have
UNKNOWN = "(unknown path)"
NO_MATCH, FULL_MATCH = 0, 2  # values of starlette.routing.Match; 1 means another method
SET_BY_ROUTERS = {"app_root_path", "endpoint", "fastapi", "route", "router"}  # keys of a scope

log = logging.getLogger(__package__)


def endpoint_of(scope: Scope, app: Any = None) -> str:
    """Return the endpoint of a request, for example "GET /items/{item_id}".

    The scope alone doesn't have the whole template: FastAPI 0.165 leaves the prefix of an included
    router out of `route.path`, and a mount adds its part of the path to `root_path`, with values
    instead of parameters. If a middleware passed on a copy of the scope, nothing is in this one;
    then the routes of `app` are searched.
    """
    route: Any = scope.get("route")
    template: str | None
    if "app_root_path" not in scope and hasattr(route, "endpoint"):  # an ordinary route, no mount
        try:
            template = route.path
        except AttributeError:  # a kind of route that isn't Starlette's or FastAPI's
            return UNKNOWN
        if "fastapi" in scope:
            context = scope["fastapi"].get("effective_route_context")
            if context and context.original_route is route:
                template = context.path
    else:
        template = _search_routes(scope, app)
        if template is None:
            return UNKNOWN
    method = scope.get("method", "WEBSOCKET")
    return f"{method if method in METHODS else OTHER} {template}"


def own_endpoint(scope: Scope, app: Any, root_path: str) -> str:
    """Return the endpoint of a request as an app that's mounted at `root_path` knows it."""
    kept = {key: value for key, value in scope.items() if key not in SET_BY_ROUTERS}
    return endpoint_of({**kept, "root_path": root_path}, app)


def _search_routes(scope: Scope, app: Any) -> str | None:
    """Return the template of the route that matches a request, or None if none does."""
    router = scope.get("router") or _router_in(app) or scope.get("app")
    routes = getattr(router, "routes", ())
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    searched = {**scope, "root_path": root_path, "path_params": {}}
    is_unknown = "endpoint" not in scope and "router" in scope  # the app's router has searched
    template = None if is_unknown else _find(routes, searched)
    if template is None and getattr(getattr(router, "router", router), "redirect_slashes", False):
        # The router redirects to the path with a slash at its end, or without.
        path: str = scope["path"]
        other_path = path.rstrip("/") if path.endswith("/") else path + "/"
        template = _find(routes, {**searched, "path": other_path})
    return template


def _find(routes: Iterable[Any], scope: Scope) -> str | None:
    """Return the template of the first route that matches.

    A route that matches the path, but not the method, counts only if no other route matches.
    """
    other_method = None
    for candidate in _expand(routes):
        match, child_scope = _match(candidate, scope)
        if match == NO_MATCH:
            continue
        route = getattr(candidate, "starlette_route", None) or candidate
        template: str = getattr(route, "path", "")
        if not hasattr(route, "endpoint"):  # a mount
            router = _router_in(getattr(route, "app", None))
            if router is None:
                return f"{template}/{{path}}"  # an app without routes, such as StaticFiles
            rest = _find(router.routes, {**scope, **child_scope})
            return None if rest is None else template + rest
        if match == FULL_MATCH:
            return template
        other_method = other_method or template
    return other_method


def _match(route: Any, scope: Scope) -> tuple[int, Scope]:
    try:
        match, child_scope = route.matches(scope)
    except Exception as error:
        # Only the error's type, because its text may contain what the client sent.
        log.warning("%s.matches raised %s", type(route).__name__, type(error).__name__)
        return NO_MATCH, {}
    return match.value, child_scope


def _router_in(app: Any) -> Any:
    """Return the app with routes behind any number of middlewares, or None."""
    while app is not None and not isinstance(getattr(app, "routes", None), list):
        app = getattr(app, "app", None)
    return app


def _expand(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes, replacing each router that FastAPI has included by its routes."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            yield from route.effective_route_contexts()
        else:
            yield route
