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

Keys in Redis, for the namespace `limit`. The braces keep the keys of a user in one slot of a Redis
Cluster:

    {limit:<user>}:<algorithm>                       index of what a user has spent: a sorted set of
                                                     "<limits> <endpoint>", by expiry
    {limit:<user>}:<algorithm>:<limit>:<endpoint>:   state of one limit; a counter's key ends with
                                                     the number of its window

Changing a limit resets its counters, because the limit is part of the key.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Literal

from redis.asyncio import Redis

from course_lib.checks import check_namespace, check_user_id
from course_lib.limiter.clients import Identify, address
from course_lib.limiter.decision import Decision, LimitState, decide
from course_lib.limiter.decorator import limit_endpoint
from course_lib.limiter.limits import Limit, Rules, rules_for, rules_from_index
from course_lib.limiter.scripts import SCRIPTS, Algorithm
from course_lib.redis_client import BYTES, CircuitBreaker, RedisUnavailable

# Names that a key can hold unchanged. A brace ends a user's name, and "~" begins a digest.
PLAIN_USER = re.compile("[^}~\ud800-\udfff][^}\ud800-\udfff]{0,99}")
PLAIN_ENDPOINT = re.compile("[^~\ud800-\udfff][^\ud800-\udfff]{0,199}")


class RateLimiter:
    """Decides which requests of a user to an endpoint are within their limit.

    - `redis`: an asyncio client, preferably from `redis_client.connect`. A limiter belongs to one
      event loop.
    - `algorithm`: see the top of this module.
    - `on_error`: the decision while Redis is unavailable. "allow" admits every request as if none
      had been spent; "deny" rejects every request until Redis is tried again.
    - `clock`: returns the time in seconds, instead of the server's clock; for tests. Keys expire by
      the server's clock all the same.
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
        self.algorithm, self.on_error = algorithm, on_error
        self._redis = redis
        self._namespace = check_namespace(namespace)
        self._clock = clock
        self._script = SCRIPTS[algorithm]

    async def check_rate_limit(
        self, user_id: int | str, endpoint: str, limit: str | Limit
    ) -> Decision:
        """Decide on one request and count it if it's allowed, in one round trip.

        `limit` is "50/minute", "10 per 5 seconds", several joined by ";", or a `Limit`. A request
        is allowed, and counted, only if all of them allow it. Raises ValueError or TypeError, with
        an example to follow, if `limit` isn't a limit.
        """
        rules = rules_for(limit, self.algorithm)
        endpoint = _key_part(endpoint, PLAIN_ENDPOINT)
        member = f"{rules.text} {endpoint}"
        return await self._run_script(self._index(user_id), endpoint, rules, member)

    async def get_rate_limit_info(self, user_id: int | str) -> dict[str, Decision]:
        """Return the decision that a user's next request would get, by endpoint; spend nothing.

        Lists the endpoints where the user has spent something, and is empty while Redis is
        unavailable.
        """
        index = self._index(user_id)
        decisions: dict[str, Decision] = {}
        for member in await self._read_index(index):
            text, _, endpoint = member.decode().partition(" ")
            rules = rules_from_index(text)
            decision = await self._run_script(index, endpoint, rules, "")
            known = decisions.get(endpoint)
            is_strictest = known is None or decision.remaining < known.remaining
            if decision.reset_after and is_strictest:
                decisions[endpoint] = decision
        return decisions

    def limit(
        self,
        limit: str | Limit,
        *,
        identify: Identify | None = None,
        endpoint: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a FastAPI endpoint, below its route; a request beyond the limit gets a 429.

            @app.post("/api/events/parse")
            @limiter.limit("50/minute")
            def parse(text: str) -> Event: ...

        The endpoint needs no `Request`, and a plain `def` still runs in a thread. `identify`
        returns the caller from the request's scope, by default its `address`. `endpoint` is the
        name to count under, by default the function's module and name. Every response carries the
        headers of `headers.py`. Raises what `check_rate_limit` raises for a bad limit.
        """
        rules = rules_for(limit, self.algorithm)

        async def check(user_id: int | str, name: str) -> Decision:
            return await self.check_rate_limit(user_id, name, limit)

        return limit_endpoint(check, rules.limits, identify or address, endpoint)

    async def _run_script(self, index: str, endpoint: str, rules: Rules, member: str) -> Decision:
        """Decide by the script. It spends only if it gets a `member` to add to the index."""
        keys = [index]
        keys += [f"{index}:{name}:{endpoint}:" for name in rules.names]
        clock = "" if self._clock is None else round(self._clock() * 1_000_000)
        arguments = (clock, member, *rules.arguments)
        breaker = CircuitBreaker.of(self._redis)
        try:
            reply = await breaker.call(self._script.run, self._redis, keys, *arguments)
        except RedisUnavailable:
            return self._decide_without_redis(rules, breaker.retry_after)
        states = [LimitState(*numbers) for numbers in reply]
        return decide(rules.limits, states)

    def _decide_without_redis(self, rules: Rules, retry_after: float) -> Decision:
        requests = min(limit.requests for limit in rules.limits)
        if self.on_error == "allow":
            return Decision(True, requests, requests, 0.0, 0.0)
        return Decision(False, requests, 0, retry_after, retry_after)

    async def _read_index(self, index: str) -> list[bytes]:
        breaker = CircuitBreaker.of(self._redis)
        command = self._redis.execute_command
        try:
            members: list[bytes] = await breaker.call(
                command, "ZRANGE", index.encode(), 0, -1, **BYTES
            )
        except RedisUnavailable:
            return []
        return members

    def _index(self, user_id: int | str) -> str:
        user = _key_part(check_user_id(user_id), PLAIN_USER)
        return f"{{{self._namespace}:{user}}}:{self.algorithm}"


def _key_part(name: str, plain: re.Pattern[str]) -> str:
    """Return a name for use in a key: its digest if it's long or could be mistaken for another."""
    if plain.fullmatch(name):
        return name
    content = name.encode(errors="surrogatepass")
    return "~" + hashlib.blake2b(content, digest_size=16).hexdigest()
