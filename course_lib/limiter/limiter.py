"""A rate limiter in Redis: four algorithms, each one atomic script; a decorator and a middleware for an API.

What "100 a minute" lets through depends on the algorithm. In *some* 60 seconds, wherever they begin:

    fixed_window      up to 200: the limit at a window's end, and again at the next one's start
    sliding_log       100, always; it keeps a moment for each request admitted
    sliding_window    up to 199: two counters take the requests of the window before to have come evenly, and so may
                      also refuse who is within the limit
    token_bucket      up to 199: a burst of 100, and what comes back meanwhile; burst and rate are two numbers

Windows are those of the server's clock: a minute's begin with its minutes. Where that clock is set back, a window that
comes again may give its limit again, and nobody is kept waiting for three windows.

The two counters are Cloudflare's (https://blog.cloudflare.com/counting-things-a-lot-of-different-things/), the bucket
is Turner's ("New directions in communications", IEEE Communications Magazine, 1986).

Keys in Redis, for a namespace `limit`; the braces keep what one decision needs in one slot of a Redis Cluster:

    {limit:<user>}:<algorithm>                       the index of what a user has spent: a sorted set, by expiry
    {limit:<user>}:<algorithm>:<limit>:<endpoint>:   the state of one limit; a counter's window stands at the end

Who changes a limit begins it anew, for the limit is part of the name.
"""

import functools
import hashlib
import inspect
import ipaddress
import itertools
import json
import math
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from redis.asyncio import Redis

from course_lib.checks import check_namespace
from course_lib.redis_client import BYTES, CircuitBreaker, RedisUnavailable, Script

Algorithm = Literal["fixed_window", "sliding_log", "sliding_window", "token_bucket"]
SCRIPTS = {name: Script(__package__, name) for name in get_args(Algorithm)}

SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "month": 30 * 86_400, "year": 360 * 86_400}
ONE_LIMIT = re.compile(
    rf"\s*([0-9]+)\s*(?:/|per)\s*([0-9]+)?\s*({'|'.join(SECONDS)})s?\s*(?:burst\s*([0-9]+)\s*)?", re.IGNORECASE
)
# Names that stand in a key as they are. A user's ends with a brace, and "~" begins a digest.
PLAIN_USER = re.compile("[^}~\ud800-\udfff][^}\ud800-\udfff]{0,99}")
PLAIN_ENDPOINT = re.compile("[^~\ud800-\udfff][^\ud800-\udfff]{0,199}")


@dataclass(frozen=True)
class Limit:
    """So many `requests` in each `window` (seconds); `str()` gives it as it is written.

    `burst` is what a token bucket holds, which is `requests` where nothing is said. The other algorithms have none.
    """

    requests: int
    window: float
    burst: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("requests", self.requests), ("burst", self.burst)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 10**9):
                raise ValueError(f"{name} is {value!r}: give a whole number from 1 to a billion, as in Limit(50, 60.0)")
        if isinstance(self.window, bool) or not isinstance(self.window, int | float):
            raise TypeError(f"window is a number of seconds, not {self.window!r}")
        if not 0.001 <= self.window <= 366 * 86_400:
            raise ValueError(f"window is {self.window!r}: give seconds, from 0.001 to a year")

    def __str__(self) -> str:
        burst = f" burst {self.burst}" if self.burst else ""
        for unit in ("day", "hour", "minute", "second"):
            many, rest = divmod(self.window, SECONDS[unit])
            if many and not rest:
                return f"{self.requests}{f' per {int(many)} {unit}s' if many > 1 else f'/{unit}'}{burst}"
        return f"{self.requests} per {self.window:g} seconds{burst}"


class Decision(NamedTuple):
    """What became of a request; true where it was allowed. Times in seconds.

    Of several limits it is the one with least left: `limit` requests, of which `remaining` are left, and all again
    after `reset_after` where no more come. Who was refused gets in after `retry_after`, and no earlier; it is 0.0 for
    who was allowed.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_after: float
    retry_after: float

    def __bool__(self) -> bool:
        return self.allowed


class RateLimiter:
    """Decides which requests of a user to an endpoint are within their limit.

    - `redis`: an asyncio client, best from `redis_client.connect`. A limiter belongs to one event loop.
    - `algorithm`: see the top of this module.
    - `on_error`: what is answered while Redis is away: "allow", as if nothing had been spent, or "deny", until it is
      asked again.
    - `clock`: what gives the time, in seconds, instead of the server's own clock: for tests, which turn it.
      Keys expire by the server's all the same.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        algorithm: Algorithm = "sliding_window",
        namespace: str = "limit",
        on_error: Literal["allow", "deny"] = "allow",
        clock: Callable[[], float] | None = None,
    ) -> None:
        if algorithm not in SCRIPTS:
            raise ValueError(f"algorithm is {algorithm!r}: choose one of {', '.join(SCRIPTS)}")
        if on_error not in ("allow", "deny"):
            raise ValueError(f"on_error is {on_error!r}: choose allow or deny")
        check_namespace(namespace)
        self.algorithm, self.on_error = algorithm, on_error
        self._redis, self._namespace, self._clock = redis, namespace, clock
        self._script = SCRIPTS[algorithm]

    async def check_rate_limit(self, user_id: int | str, endpoint: str, limit: str | Limit) -> Decision:
        """Decide on one request, and count it where it is allowed: one round trip.

        `limit` is "50/minute", "10 per 5 seconds", several joined by ";" (all of them allow, or nothing is counted), or
        a `Limit`. ValueError, which shows a good one, for one that is wrong.
        """
        return await self._decide(user_id, endpoint, _rules(limit, self.algorithm))

    async def get_rate_limit_info(self, user_id: int | str) -> dict[str, Decision]:
        """What a request would be told now, by the endpoints on which this user has spent something; spends nothing.

        While Redis is away nothing is known: an empty dict.
        """
        index = self._index(user_id)
        decisions: dict[str, Decision] = {}
        try:
            listed = CircuitBreaker.of(self._redis).call(self._redis.execute_command, "ZRANGE", index, 0, -1, **BYTES)
            members = await listed
        except RedisUnavailable:
            return {}
        for member in members:
            text, _, endpoint = member.decode().partition(" ")
            decision = await self._run_script(index, endpoint, _rules_from_index(text), "")
            known = decisions.get(endpoint)
            if decision.reset_after and (known is None or decision.remaining < known.remaining):
                decisions[endpoint] = decision
        return decisions

    async def _decide(self, user_id: int | str, endpoint: str, rules: "_Rules") -> Decision:
        endpoint = _key_part(endpoint, PLAIN_ENDPOINT)
        return await self._run_script(self._index(user_id), endpoint, rules, f"{rules.text} {endpoint}")

    async def _run_script(self, index: str, endpoint: str, rules: "_Rules", member: str) -> Decision:
        """Decide by the script, which spends where it is given a `member` for the index."""
        keys = [index, *[f"{index}:{name}:{endpoint}:" for name in rules.names]]
        clock = "" if self._clock is None else round(self._clock() * 1_000_000)
        breaker = CircuitBreaker.of(self._redis)
        try:
            reply = await breaker.call(self._script.run, self._redis, keys, clock, member, *rules.arguments)
        except RedisUnavailable:
            requests = min(limit.requests for limit in rules.limits)
            if self.on_error == "allow":
                return Decision(True, requests, requests, 0.0, 0.0)
            return Decision(False, requests, 0, breaker.retry_after, breaker.retry_after)
        # Three numbers for each limit: left, microseconds until all are there again, and until one is.
        first = 0
        if len(reply) > 3:
            first = min(range(0, len(reply), 3), key=lambda i: (reply[i], -reply[i + 2], -reply[i + 1]))
        left, reset, wait = reply[first : first + 3]
        return Decision(wait == 0, rules.limits[first // 3].requests, left, reset / 1_000_000, wait / 1_000_000)

    def limit(
        self, limit: str | Limit, *, identify: "Identify | None" = None, endpoint: str | None = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate an endpoint of FastAPI's, below its `@app.post(...)`; beyond the limit it answers 429.

        The endpoint needs no `Request`, and a plain `def` runs in a thread still. `identify` tells from the request's
        scope who calls, by default `address`. `endpoint` names what is called, by default the function's module and
        name. All answers carry the headers that `RateLimitMiddleware` describes.
        """
        rules = _rules(limit, self.algorithm)  # a bad limit is an error now, and not at the first request

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            # Where endpoints are FastAPI is, too; the rest of this module does without.
            from fastapi import HTTPException, Request, Response, concurrency  # noqa: PLC0415

            signature = inspect.signature(function, eval_str=True)
            parameters = list(signature.parameters.values())
            names: dict[type, str] = {}  # of the parameters by which FastAPI hands over these two
            for kind, default in ((Request, "_request"), (Response, "_response")):
                names[kind] = next((one.name for one in parameters if one.annotation is kind), default)
                if names[kind] == default:
                    parameters.append(inspect.Parameter(default, inspect.Parameter.KEYWORD_ONLY, annotation=kind))
            name = endpoint or f"{function.__module__}.{function.__qualname__}"

            @functools.wraps(function)
            async def limited(*args: Any, **kwargs: Any) -> Any:
                if names[Request] not in kwargs:
                    raise TypeError(f"{name} is limited by request: let FastAPI call it, or call its __wrapped__")
                request, response = kwargs[names[Request]], kwargs[names[Response]]
                kwargs.pop("_request", None), kwargs.pop("_response", None)
                decision = await self._decide((identify or address)(request.scope), name, rules)
                headers = _headers(decision, rules.limits)
                if not decision:
                    raise HTTPException(429, _rejection(decision), headers)
                if inspect.iscoroutinefunction(function):
                    answer = await function(*args, **kwargs)
                else:
                    answer = await concurrency.run_in_threadpool(function, *args, **kwargs)
                (answer if isinstance(answer, Response) else response).headers.update(headers)
                return answer

            # FastAPI hands over what it sees in the signature; of these two the OpenAPI says nothing.
            parameters.sort(key=lambda parameter: parameter.kind)
            limited.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
            return limited

        return decorate

    def _index(self, user_id: int | str) -> str:
        if isinstance(user_id, bool) or not isinstance(user_id, int | str) or user_id == "":
            raise TypeError(f"a user_id is a whole number or a string, not {user_id!r}")
        return f"{{{self._namespace}:{_key_part(str(user_id), PLAIN_USER)}}}:{self.algorithm}"


class _Rules(NamedTuple):
    """Limits as a script takes them: `names` stand in keys, and their `text` in the index."""

    limits: tuple[Limit, ...]
    names: tuple[str, ...]
    text: str
    arguments: tuple[int, ...]


def _rules(limit: str | Limit, algorithm: str) -> _Rules:
    if not isinstance(limit, str | Limit):
        raise TypeError(f"a limit is a string such as '50/minute', or a Limit(50, 60.0), not {limit!r}")
    return _build_rules(limit, algorithm)


@functools.lru_cache(maxsize=1024)
def _build_rules(limit: str | Limit, algorithm: str) -> _Rules:
    limits = {}
    for one in _limits_of(limit):
        numbers = [one.requests, round(one.window * 1_000_000)]
        if algorithm == "token_bucket":
            numbers.append(one.burst or one.requests)
        elif one.burst:
            raise ValueError(f"{one}: a burst is for the algorithm token_bucket, and this is {algorithm}")
        limits[tuple(numbers)] = one
    names = tuple("/".join(map(str, numbers)) for numbers in limits)
    return _Rules(tuple(limits.values()), names, ";".join(names), tuple(itertools.chain(*limits)))


def _rules_from_index(text: str) -> _Rules:
    """The rules whose `text` this is."""
    names = tuple(text.split(";"))
    numbers = [[int(number) for number in name.split("/")] for name in names]
    limits = tuple(Limit(requests, window / 1_000_000, *burst) for requests, window, *burst in numbers)
    return _Rules(limits, names, text, tuple(itertools.chain(*numbers)))


def _limits_of(limit: str | Limit) -> tuple[Limit, ...]:
    return (limit,) if isinstance(limit, Limit) else parse(limit)


def parse(text: str) -> tuple[Limit, ...]:
    """The limits of "50/minute", "10 per 5 seconds", "5/second; 100/hour", "30/minute burst 12".

    As `slowapi` and `limits` have them, and the burst of a token bucket besides: a month has 30 days, a year 360.
    """
    limits = []
    for part in re.split("[;,|]", text):
        if not (match := ONE_LIMIT.fullmatch(part)):
            raise ValueError(
                f"{text!r} is no limit: write '50/minute', '10 per 5 seconds', or several as '5/second; 100/hour'"
            )
        requests, multiple, unit, burst = match.groups()
        limits.append(Limit(int(requests), int(multiple or 1) * SECONDS[unit.lower()], int(burst) if burst else None))
    return tuple(limits)


def _key_part(name: str, plain: re.Pattern[str]) -> str:
    """A name as it stands in a key: by its digest where it is long, or could be taken for another."""
    if plain.fullmatch(name):
        return name
    return "~" + hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest()


# --- HTTP -------------------------------------------------------------------------------------------------------------

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Identify = Callable[[Scope], int | str]
"""Tells from a request's scope (https://asgi.readthedocs.io/en/latest/specs/www.html) whose it is."""


class RateLimitMiddleware:
    """Limits the requests to routes, before the app sees them; plain ASGI.

    `app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"POST /api/events/parse": "50/minute",
    "/api/events/{event_id}": {"free": "100/minute", "pro": "1000/minute"}, "*": "1000/hour"}, tiers=...)`

    - `limits`: by route, with its method or for all methods; the first in this order that fits a request counts, and
      "*" is what all other routes share. `None` is no limit. A route may have a limit for each tier of callers; a tier
      that is not among them gets the first.
    - `identify`: who calls, from the request's scope; by default `address`. Let nobody choose a name without proof.
    - `tiers`: the caller's tier, from the request's scope.
    - `exempt`: paths that are never limited.

    Beyond its limit a request is answered 429, as JSON, with `Retry-After`. All answers to limited routes carry
    `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now), and `RateLimit` and `RateLimit-Policy` as
    draft-ietf-httpapi-ratelimit-headers-10 has them, unless an endpoint's own limit has set them. Times are rounded up.
    """

    def __init__(
        self,
        app: App,
        *,
        limiter: RateLimiter,
        limits: "Mapping[str, str | Limit | Mapping[str, str | Limit] | None]",
        identify: Identify | None = None,
        tiers: Callable[[Scope], str | None] | None = None,
        exempt: Collection[str] = ("/health",),
    ) -> None:
        self.app, self.limiter, self.exempt = app, limiter, frozenset(exempt)
        self.identify, self.tiers = identify or address, tiers
        self._routes = [_Route(name, limit, limiter.algorithm) for name, limit in limits.items()]
        if tiers is None and any(len(route.rules) > 1 for route in self._routes):
            raise ValueError("a route has a limit for each tier: say by tiers=... which one a request is of")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._route(scope) if scope["type"] == "http" and scope["path"] not in self.exempt else None
        if route is None or not route.rules:
            await self.app(scope, receive, send)
            return
        rules = route.rules.get(self.tiers(scope) if self.tiers else None) or next(iter(route.rules.values()))
        decision = await self.limiter._decide(self.identify(scope), route.name, rules)
        headers = [(name.lower().encode(), value.encode()) for name, value in _headers(decision, rules.limits).items()]
        if not decision:
            body = json.dumps({"detail": _rejection(decision)}).encode()
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 429, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", [])
                if not any(name.lower() == b"x-ratelimit-limit" for name, _ in own):
                    message["headers"] = [*own, *headers]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _route(self, scope: Scope) -> "_Route | None":
        return next((route for route in self._routes if route.fits(scope["method"], scope["path"])), None)


class _Route:
    """A route of `limits`: "POST /api/events", "/api/events/{event_id}" for all methods, or "*"."""

    def __init__(self, name: str, limit: str | Limit | Mapping[str, str | Limit] | None, algorithm: Algorithm) -> None:
        match = re.fullmatch(r"(?:([A-Z]+) )?(/\S*)|[*]", name)
        if not match:
            raise ValueError(f"{name!r} is no route: write 'POST /api/events', '/api/events/{{event_id}}', or '*'")
        self.name, self.method = name, match[1]
        self.path = re.compile(re.sub(r"\\{[^/]*?\\}", "[^/]+", re.escape(match[2])) if match[2] else ".*", re.DOTALL)
        by_tier = limit if isinstance(limit, Mapping) else {} if limit is None else {None: limit}
        self.rules: dict[str | None, _Rules] = {tier: _rules(own, algorithm) for tier, own in by_tier.items()}

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is to this route. A HEAD asks for what GET would."""
        as_method = "GET" if method == "HEAD" and self.method == "GET" else method
        return self.method in (None, as_method) and bool(self.path.fullmatch(path))


def address(scope: Scope) -> str:
    """The address that a request comes from; of IPv6 the network, for a client has all of its 2^64 addresses.

    Behind a proxy that is the proxy's: see `address_behind`. A server may have put there what X-Forwarded-For says, as
    uvicorn does for requests from its own machine: run it with `--no-proxy-headers`.
    """
    client = scope.get("client")
    return _client_key(client[0]) if client else "unknown"


def address_behind(*proxies: str) -> Identify:
    """What identifies a client by its address behind proxies: `address_behind("10.0.0.0/8")`.

    Each proxy adds the address that it was called from to `X-Forwarded-For`, at its end; before that a client may have
    written what it likes. So the client's is the last one there that is no proxy of ours, and the header counts only
    where the request itself comes from one.
    """
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]

    def trusted(host: str) -> bool:
        try:
            return any(ipaddress.ip_address(host) in network for network in networks)
        except ValueError:  # not an address
            return False

    def identify(scope: Scope) -> str:
        caller = scope["client"][0] if scope.get("client") else ""
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for host in reversed([host.strip() for line in lines for host in line.split(",")]):
            if not trusted(caller):
                break
            caller = host
        return _client_key(caller)

    return identify


def _client_key(host: str) -> str:
    if ":" not in host:
        return host or "unknown"
    try:
        ip = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


def too_many_requests(decision: Decision, limit: str | Limit) -> dict[str, Any]:
    """What an `HTTPException` for a refused request is made of, where an endpoint itself asks `check_rate_limit`."""
    return {"status_code": 429, "detail": _rejection(decision), "headers": _headers(decision, _limits_of(limit))}


def _headers(decision: Decision, limits: tuple[Limit, ...]) -> dict[str, str]:
    reset = math.ceil(decision.reset_after)
    name = next((limit for limit in limits if limit.requests == decision.limit), "")
    headers = {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
        "X-RateLimit-Reset": str(reset),
        "RateLimit": f'"{name}";r={decision.remaining};t={reset}',
        "RateLimit-Policy": _policy(limits),
    }
    if not decision:
        headers["Retry-After"] = str(math.ceil(decision.retry_after))
    return headers


@functools.lru_cache(maxsize=1024)
def _policy(limits: tuple[Limit, ...]) -> str:
    return ", ".join(f'"{limit}";q={limit.requests};w={math.ceil(limit.window)}' for limit in limits)


def _rejection(decision: Decision) -> str:
    return f"too many requests, try again in {math.ceil(decision.retry_after)} s"
