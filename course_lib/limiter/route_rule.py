"""Match one key of `limits` with requests and routes.

A key applies to a request if the route that serves it has the same path, whatever its parameters
are called, or if the key's own pattern matches the request's path.
"""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping

from course_lib.asgi import Scope
from course_lib.limiter.limits import LimitOfRequest, OneLimit, rules_of
from course_lib.limiter.routes import AppRoute
from course_lib.limiter.scripts import Algorithm

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
OTHER_EXAMPLES = {
    "int": "2",
    "float": "2.5",
    "uuid": "11111111-1111-1111-1111-111111111111",
    "path": "b/c/d",
}
NO_LIMIT = "no limit"
WEBSOCKET = "WEBSOCKET"  # the method of a handshake in a key of `limits`


class RouteRule:
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
        if limit == {}:
            raise ValueError(f"{key!r} has no tiers: pass a limit for each, or None for no limit")
        # A bad limit fails now, not at the first request.
        tiers = limit.values() if isinstance(limit, Mapping) else [limit]
        for own_limit in tiers:
            if own_limit is not None and not callable(own_limit):
                rules_of(key, own_limit, algorithm)

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
        if self._pattern.match(example(route.path)):
            return True
        if _pattern(route.path).match(example(self.path)):
            return True
        return _shape(route.path) == self._shape

    def covers(self, later: "RouteRule") -> bool:
        """Return True if this rule, which comes first, leaves no request to a later one."""
        takes_all = self._takes(later.method) and (self.limit, later.limit) != (None, None)
        other_example = PARAMETER.sub(lambda match: OTHER_EXAMPLES.get(match[1], "b"), later.path)
        paths = example(later.path), other_example.replace("*", "b/c/d")
        return takes_all and all(map(self._pattern.match, paths))

    def _takes(self, method: str | None) -> bool:
        """Return True if the rule is for this method. HEAD counts as GET."""
        is_head_of_get = method == "HEAD" and self.method == "GET"
        return self.method in (None, method) or is_head_of_get

    def __str__(self) -> str:
        if callable(self.limit):
            return "depends on the request"
        if isinstance(self.limit, Mapping):
            return ", ".join(f"{tier}: {_text(limit)}" for tier, limit in self.limit.items())
        return _text(self.limit)


def _text(limit: OneLimit) -> str:
    return NO_LIMIT if limit is None else str(limit)


@functools.lru_cache(maxsize=1024)
def _shape(path: str) -> str:
    """Return a path without the names and kinds of its parameters."""
    return PARAMETER.sub("{}", path)


def example(path: str) -> str:
    """Return a path that a route or a key matches."""
    without_parameters = PARAMETER.sub(lambda match: EXAMPLES.get(match[1], "a"), path)
    return without_parameters.replace("*", "a/b")


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
