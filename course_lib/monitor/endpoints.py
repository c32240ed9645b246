"""Which endpoint a request is for: its method and the whole template of its route, with FastAPI and with Starlette."""

from collections.abc import Iterable
from typing import Any

from course_lib.asgi import Scope

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "(unknown path)"


def endpoint_of(scope: Scope) -> str:
    """The endpoint of a request, for instance "GET /items/{item_id}": its method, and the whole template of its route.

    What the scope of a request says after routing is not the whole: FastAPI 0.165 leaves the prefix of an included
    router out of `route.path`, and a mount puts its part into `root_path`, values and all.
    """
    route: Any = scope.get("route")
    template: str | None
    if "app_root_path" not in scope and hasattr(
        route, "methods"
    ):  # no mount, and a route of the usual kind
        included = scope["fastapi"].get("effective_route_context") if "fastapi" in scope else None
        template = included.path if included and included.original_route is route else route.path
    elif (template := _template(scope)) is None:
        return UNKNOWN
    method = scope["method"]
    return f"{method if method in METHODS else 'OTHER'} {template}"


def _template(scope: Scope) -> str | None:
    """Look for the template by asking the routes one by one; None where none of them matches."""
    if "endpoint" not in scope and "router" in scope:
        return None  # the app has looked already
    whole = scope.get("router") or scope.get("app")  # no router: a middleware answered before it
    inner = {
        **scope,
        "root_path": scope.get("app_root_path", scope.get("root_path", "")),
        "path_params": {},
    }
    return _find(getattr(whole, "routes", ()), inner)


def _find(routes: Iterable[Any], scope: Scope) -> str | None:
    other_method = None
    for each in routes:
        for route in (
            each.effective_route_contexts()
            if hasattr(each, "effective_route_contexts")
            else (each,)
        ):
            match, found = route.matches(scope)
            if not match.value:
                continue
            matched = getattr(route, "starlette_route", None) or route
            template: str = getattr(matched, "path", "")
            if inner := getattr(matched, "routes", ()):
                rest = _find(inner, {**scope, **found})
                return None if rest is None else template + rest
            if not hasattr(matched, "methods"):
                return f"{template}/{{path}}"  # a mounted app without routes, such as StaticFiles
            if match.value == 2:
                return template
            other_method = other_method or template
    return other_method
