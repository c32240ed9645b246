"""Find the endpoint of a request: its method and the whole template of its route.

Works with FastAPI and with Starlette, and imports neither.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from course_lib.asgi import Scope

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "(unknown path)"
NO_MATCH, FULL_MATCH = 0, 2  # values of starlette.routing.Match; 1 means another method


def endpoint_of(scope: Scope) -> str:
    """Return the endpoint of a request, for example "GET /items/{item_id}".

    The scope alone doesn't have the whole template: FastAPI 0.165 leaves the prefix of an included
    router out of `route.path`, and a mount adds its part of the path to `root_path`, with values
    instead of parameters.
    """
    route: Any = scope.get("route")
    template: str | None
    if "app_root_path" not in scope and hasattr(route, "methods"):  # an ordinary route, no mount
        template = route.path
        if "fastapi" in scope:
            context = scope["fastapi"].get("effective_route_context")
            if context and context.original_route is route:
                template = context.path
    else:
        template = _search_routes(scope)
        if template is None:
            return UNKNOWN
    method = scope["method"]
    return f"{method if method in METHODS else 'OTHER'} {template}"


def _search_routes(scope: Scope) -> str | None:
    """Return the template of the route that matches a request, or None if none does."""
    if "endpoint" not in scope and "router" in scope:
        return None  # the app's router has already searched
    app = scope.get("router") or scope.get("app")  # no router: a middleware answered before it
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    return _find(getattr(app, "routes", ()), {**scope, "root_path": root_path, "path_params": {}})


def _find(routes: Iterable[Any], scope: Scope) -> str | None:
    """Return the template of the first route that matches.

    A route that matches the path, but not the method, counts only if no other route matches.
    """
    other_method = None
    for candidate in _expand(routes):
        match, child_scope = candidate.matches(scope)
        if match.value == NO_MATCH:
            continue
        route = getattr(candidate, "starlette_route", None) or candidate
        template: str = getattr(route, "path", "")
        if inner_routes := getattr(route, "routes", ()):
            rest = _find(inner_routes, {**scope, **child_scope})
            return None if rest is None else template + rest
        if not hasattr(route, "methods"):
            return f"{template}/{{path}}"  # a mounted app without routes, such as StaticFiles
        if match.value == FULL_MATCH:
            return template
        other_method = other_method or template
    return other_method


def _expand(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes, replacing each router that FastAPI has included by its routes."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            yield from route.effective_route_contexts()
        else:
            yield route
