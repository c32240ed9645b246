"""Rate limiting in Redis by four algorithms; each decision is one atomic script, one round trip.

What "100 a minute" lets through depends on the algorithm. The most in *any* 60 seconds:

    fixed_window      200: the whole limit at the end of one window, and again as the next begins
    sliding_log       100, always; it stores a timestamp for each admitted request
    sliding_window    199: two counters, which assume that the previous window's requests came
                      evenly, and so may also reject a client that is within the limit
    token_bucket      199: a burst of 100, plus what is refilled; burst and rate are two numbers

Windows follow the server's clock: a window of a minute begins with the minute. If that clock is set
back, a window that comes again may admit its limit again, but no client waits as long as three
windows.

The two counters are Cloudflare's (https://blog.cloudflare.com/counting-things-a-lot-of-different-things/),
the bucket is Turner's ("New directions in communications", IEEE Communications Magazine, 1986).
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from course_lib.asgi import Scope
from course_lib.checks import (
    check_functions,
    check_namespace,
    check_not_async,
    check_switch,
    check_text,
)
from course_lib.limiter.clients import Identify, Identity, address
from course_lib.limiter.decision import Decision, decide
from course_lib.limiter.decorator import EndpointLimit
from course_lib.limiter.explanation import explain_limits
from course_lib.limiter.index import FOREIGN_CONTENT, read_index
from course_lib.limiter.keys import endpoint_part, index_of
from course_lib.limiter.limits import Cost, Limit, LimitOfRequest, Rules, rules_for
from course_lib.limiter.request_check import (
    CheckedRequest,
    RequestCheck,
    check_limit_of_request,
)
from course_lib.limiter.scripts import REPAIRS, RESET, SCRIPTS, Algorithm
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, check_client

log = logging.getLogger(__package__)

MOST_REPORTED = 1000  # endpoints in `would_reject`


class RateLimiter:
    """Decides which requests of a user to an endpoint are within their limit.

    - `redis`: an asyncio client, preferably from `redis_client.connect`: then a limiter works in
      several event loops, such as those of tests.
    - `algorithm`: see the top of this module. The default never rejects a client that sends its
      requests evenly and within the limit, and needs the same memory for any limit. With "1/second"
      and a request a second, `sliding_window` would reject every other one.
    - `on_error`: the decision while Redis is unavailable. "allow" admits every request as if none
      had been spent; "deny" rejects every request until Redis is tried again.
    - `enforce`: False only reports: requests beyond their limit are allowed, logged, and counted in
      `would_reject`, so that limits can be tried out in production.
    - `clock`: returns the time in seconds, instead of the server's clock; for tests. Keys expire by
      the server's clock all the same.

    `unavailable` counts what was decided or read without Redis, by the reason why Redis couldn't;
    `would_reject` the requests, by endpoint, that were allowed only because nothing is enforced.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        algorithm: Algorithm = "token_bucket",
        namespace: str = "limit",
        on_error: Literal["allow", "deny"] = "allow",
        enforce: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        check_client(redis)
        check_switch("enforce", enforce)
        check_functions(clock=clock)
        check_not_async(clock=clock)
        if algorithm not in list(SCRIPTS):
            raise ValueError(f"algorithm is {algorithm!r}: choose one of {', '.join(SCRIPTS)}")
        if on_error not in ("allow", "deny"):
            raise ValueError(f"on_error is {on_error!r}: choose allow or deny")
        self.algorithm, self.on_error, self.enforce = algorithm, on_error, enforce
        self.unavailable: Counter[str] = Counter()
        self.would_reject: Counter[str] = Counter()
        self._redis = redis
        self._namespace = check_namespace(namespace)
        self._clock = clock
        self._script = SCRIPTS[algorithm]

    async def check_rate_limit(
        self, user_id: Identity, endpoint: str, limit: str | Limit, *, cost: int = 1
    ) -> Decision:
        """Decide on one request and count it if it's allowed, in one round trip.

        `limit` is "50/minute", "10 per 5 seconds", several joined by ";", or a `Limit`. A request
        is allowed, and counted, only if all of them allow it. It uses up `cost` requests of each,
        or the whole of a limit that is smaller. With `cost=0` it uses up nothing, so it's always
        allowed, and the decision has what's left. Raises ValueError or TypeError, with an example
        to follow, if `limit` isn't a limit or `cost` isn't a whole number from 0.
        """
        rules = rules_for(limit, self.algorithm)
        if type(cost) is not int or cost != 1:
            rules = rules.with_cost(cost, self.algorithm)
        endpoint = endpoint_part(endpoint)
        member = f"{rules.text} {endpoint}" if cost else ""
        decision = await self._run_script(self._index(user_id), endpoint, rules, member)
        if decision.allowed or self.enforce:
            return decision
        return self._report(endpoint, decision)

    async def get_rate_limit_info(self, user_id: Identity) -> dict[str, Decision]:
        """Return the decision that a user's next request would get, by endpoint; spend nothing.

        Lists the endpoints where the user has spent something, and is empty while Redis is
        unavailable.
        """
        index = self._index(user_id)
        decisions: dict[str, Decision] = {}
        for endpoint, rules in await read_index(self._redis, index, self.unavailable):
            decision = await self._run_script(index, endpoint, rules, "")
            known = decisions.get(endpoint)
            is_strictest = known is None or decision.remaining < known.remaining
            if decision.reset_after and is_strictest:
                decisions[endpoint] = decision
        return decisions

    async def reset(self, user_id: Identity) -> None:
        """Give a user back all they've spent. Raises RedisUnavailable if that didn't happen."""
        await RESET.run(self._redis, [self._index(user_id)], self._time())

    def limit(
        self,
        limit: str | Limit | LimitOfRequest,
        *,
        identify: Identify | None = None,
        anonymous: Identify | None = address,
        endpoint: str | None = None,
        cost: Cost | None = None,
    ) -> EndpointLimit:
        """Decorate a FastAPI endpoint, below its route; a request beyond the limit gets a 429.

            @app.post("/api/events/parse")
            @limiter.limit("50/minute")
            def parse(text: str) -> Event: ...

        The endpoint needs no `Request`, and a plain `def` still runs in a thread. It may also be a
        generator, an object, a partial or a WebSocket's, which is limited at its handshake. As a
        dependency, it limits a whole router; without `endpoint`, each endpoint by itself:

            admin_limit = limiter.limit("1000/hour", endpoint="admin")
            router = APIRouter(prefix="/admin", dependencies=[Depends(admin_limit)])

        `limit` may be a function that returns the limit of a request from its scope, or None for
        no limit. `identify`, `anonymous` and `cost` are those of `RateLimitMiddleware`; all of
        these functions may be async. `endpoint` is the name to count under, by default the
        function's module and name: functions of one name share the limit. Every response carries
        the headers of `headers.py`, also if the endpoint raises HTTPException. Raises what
        `check_rate_limit` raises for a bad limit.
        """
        if callable(limit):
            check_limit_of_request(limit)
        else:
            rules_for(limit, self.algorithm)
        if endpoint is not None:
            check_text("endpoint", endpoint)
        request_check = RequestCheck(self, identify, anonymous, cost)

        async def check(scope: Scope, name: str) -> CheckedRequest | None:
            return await request_check.check(scope, name, limit)

        text = "depends on the request" if callable(limit) else str(limit)
        return EndpointLimit(check, endpoint, text)

    def explain(self, app: Any) -> dict[str, str]:
        """Return the limit of each route of a Starlette or FastAPI app, as text, by route.

            {"GET /health": "no limit (/health)", "GET /api/events": "100/minute (*)", ...}

        In parentheses is the key of `limits` that applies, or "its own" for a decorated endpoint.
        If a mounted app has the middleware too, both limits apply: "100/minute (*), and 5/minute
        (/items in /v1)". Raises ValueError if a key of `limits` matches no route, TypeError if the
        app has no routes.
        """
        return explain_limits(app, self)

    async def _run_script(self, index: str, endpoint: str, rules: Rules, member: str) -> Decision:
        """Decide by the script. It spends only if it gets a `member` to add to the index."""
        keys = [index, *[f"{index}:{name}:{endpoint}:" for name in rules.names]]
        arguments = (self._time(), member, *rules.arguments)
        try:
            try:
                states = await self._script.run(self._redis, keys, *arguments)
            except ResponseError as error:
                states = await self._repair(error, keys, arguments)
        except RedisUnavailable as error:
            retry_after = CircuitBreaker.of(self._redis, index).retry_after
            return self._decide_without_redis(rules, retry_after, error)
        return decide(rules.limits, states)

    async def _repair(self, error: ResponseError, keys: list[str], arguments: Any) -> Any:
        """Decide again, and delete what isn't the state of a limit; another error is raised."""
        if not FOREIGN_CONTENT.search(str(error)):
            raise error
        log.warning("deleting what isn't the limiter's under %r: %s", keys[0], error)
        return await REPAIRS[self.algorithm].run(self._redis, keys, *arguments)

    def _report(self, endpoint: str, decision: Decision) -> Decision:
        """Allow a request that would have been rejected; log and count it."""
        is_full = len(self.would_reject) >= MOST_REPORTED
        if is_full and endpoint not in self.would_reject:
            self.would_reject["other endpoints"] += 1
        else:
            self.would_reject[endpoint] += 1
        left, limit = decision.remaining, decision.limit
        log.info("would reject a request to %s: %d of %d are left", endpoint, left, limit)
        return decision._replace(allowed=True, retry_after=0.0)

    def _time(self) -> int | str:
        return "" if self._clock is None else round(self._clock() * 1_000_000)

    def _decide_without_redis(
        self, rules: Rules, retry_after: float, error: RedisUnavailable
    ) -> Decision:
        self.unavailable[error.reason] += 1
        requests = min(limit.capacity for limit in rules.limits)
        if self.on_error == "allow":
            return Decision(True, requests, requests, 0.0, 0.0)
        return Decision(False, requests, 0, retry_after, retry_after)

    def _index(self, user_id: Identity) -> str:
        return index_of(self._namespace, user_id, self.algorithm)
