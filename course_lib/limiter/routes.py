"""Find the route of an app that serves a request, by the app's own matching.

A pattern of our own would differ from Starlette's in some spelling of a path (a line feed at its
end, a prefix, a mounted app), and a request spelled that way would evade its limit. So the app's
routes are asked in the order in which its router asks them:

    app --> routes --+-- route.matches(scope)
                     +-- mount.matches(scope) --> routes of the mounted app --> ...

Apps without routes, such as plain ASGI apps, are matched by the path alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from course_lib.asgi import Scope

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PARTIAL, FULL = 1, 2  # the values of starlette.routing.Match; PARTIAL has another method


@dataclass
class AppRoute:
    """A route of an app.

    - `path`: its full path, with the paths of the mounts around it: "/v1/items/{item_id}".
    - `methods`: None if it serves all methods, or if we can't know.
    - `children`: the routes of a mounted app; None if this isn't a mount, or if it's a mount of an
      app without routes.
    """

    path: str
    methods: frozenset[str] | None
    endpoint: Any
    children: "list[AppRoute] | None"
    _route: Any = field(repr=False)
    pattern: re.Pattern[str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # A pattern rules a route out quickly, unless its class matches in another way.
        package, *_ = type(self._route).matches.__module__.split(".")
        if package in ("starlette", "fastapi"):
            self.pattern = getattr(self._route, "path_regex", None)

    @property
    def app(self) -> Any:
        """The app of a mount, or what serves this route, with any middleware around it."""
        return getattr(self._route, "app", None)

    @property
    def dependencies(self) -> Iterator[Any]:
        """The functions that FastAPI calls before the endpoint: those in `Depends`."""
        return _dependencies_of(getattr(self._route, "dependant", None))

    def serving(self, scope: Scope) -> "tuple[int, AppRoute | None]":
        """Return how well this matches a request, and the innermost route that serves it."""
        match, child_scope = self._route.matches(scope)
        if match.value != FULL or self.children is None:
            return match.value, self
        return FULL, find_route(self.children, {**scope, **child_scope})


def find_route(routes: Iterable[AppRoute], scope: Scope) -> AppRoute | None:
    """Return the route that serves a request: the first that matches, with its method if any."""
    path, other_method = route_path(scope), None
    for route in routes:
        if route.pattern and not route.pattern.match(path):
            continue
        match, serving = route.serving(scope)
        if match == FULL:
            return serving
        if match == PARTIAL and other_method is None:
            other_method = serving
    return other_method


def routes_of(app: Any, prefix: str = "") -> list[AppRoute]:
    """Return the routes of a Starlette or FastAPI app or router, in order; those of mounts inside.

    `prefix` is the path that they're mounted under.
    """
    declared = []
    for route in _flatten(app.routes):
        path = prefix + (getattr(route, "path", None) or "")
        children = None
        is_mount = hasattr(route, "app") and not hasattr(route, "endpoint")
        router = router_in(route.app) if is_mount else None
        if router is not None:
            children = routes_of(router, path)
        elif is_mount:
            path += "/{path:path}"
        endpoint = getattr(route, "endpoint", None)
        declared.append(AppRoute(path, _methods_of(route, endpoint), endpoint, children, route))
    return declared


def endpoints_of(routes: Iterable[AppRoute]) -> Iterator[AppRoute]:
    """Yield the innermost routes, which serve requests."""
    for route in routes:
        if route.children is None:
            yield route
        else:
            yield from endpoints_of(route.children)


def match_by_path(routes: Iterable[AppRoute]) -> bool:
    """Return True if nothing but a request's path decides which route serves it, and no host."""
    return all(route.pattern and match_by_path(route.children or ()) for route in routes)


def router_in(app: Any) -> Any:
    """Return the app or router with routes behind any number of middlewares; None without one."""
    while app is not None and not has_routes(app):
        router = getattr(app, "__self__", None)  # a router's middleware is around its method
        app = router if has_routes(router) else getattr(app, "app", None)
    return app


def has_routes(app: Any) -> bool:
    """Return True for an app or a router with routes of Starlette's kind."""
    routes = getattr(app, "routes", None)
    return isinstance(routes, list) and all(hasattr(route, "matches") for route in routes)


def route_path(scope: Scope) -> str:
    """Return a request's path as an app's routes know it: without the prefix of the app.

    Servers put the prefix before the path (https://asgi.readthedocs.io, `root_path`), and Starlette
    removes it in this way.
    """
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    if not prefix or not path.startswith(prefix):
        return path
    rest = path[len(prefix) :]
    return rest if not rest or rest[0] == "/" else path


def _flatten(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes, and those of an included router in its place, with its prefix."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)  # recent versions of FastAPI
        if contexts is None:
            yield route
            continue
        for context in contexts():
            yield getattr(context, "starlette_route", None) or context


def _methods_of(route: Any, endpoint: Any) -> frozenset[str] | None:
    if _is_websocket(route):
        return frozenset({"WEBSOCKET"})
    methods = set(getattr(route, "methods", None) or ())
    if not methods and isinstance(endpoint, type):  # Starlette's HTTPEndpoint
        methods = {method for method in METHODS if hasattr(endpoint, method.lower())}
        if "GET" in methods:
            methods.add("HEAD")
    return frozenset(methods) or None


def _dependencies_of(dependant: Any) -> Iterator[Any]:
    for dependency in getattr(dependant, "dependencies", ()):
        yield dependency.call
        yield from _dependencies_of(dependency)


def _is_websocket(route: Any) -> bool:
    return any(kind.__name__ == "WebSocketRoute" for kind in type(route).__mro__)
