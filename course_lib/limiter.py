"""A rate limiter in Redis: four algorithms, each one atomic script; a decorator and a middleware for an API.

What "100 a minute" lets through depends on the algorithm. In *some* 60 seconds, wherever they begin:

    fixed_window      up to 200: the limit at a window's end, and again at the next one's start
    sliding_log       100, always; it keeps a moment for each request admitted
    sliding_window    up to 199: two counters take the requests of the window before to have come evenly
    token_bucket      up to 199: a burst of 100, and what comes back meanwhile; burst and rate are two numbers

Keys in Redis, for a namespace `limit`; the braces keep what one decision needs in one slot of a Redis Cluster:

    {limit:<user>}:<algorithm>                       the index of what a user has spent: a sorted set, by expiry
    {limit:<user>}:<algorithm>:<limit>:<endpoint>    the state of one limit
"""

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from redis.asyncio import Redis

from course_lib.resilience import CircuitBreaker, RedisAway, Script

Algorithm = Literal["fixed_window", "sliding_log", "sliding_window", "token_bucket"]
SCRIPTS = {name: Script(name) for name in get_args(Algorithm)}

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
                raise ValueError(f"{name} is {value!r}: give a whole number from 1 to a billion")
        if isinstance(self.window, bool) or not isinstance(self.window, int | float):
            raise TypeError(f"window is a number of seconds, not {self.window!r}")
        if not 0.001 <= self.window <= 366 * 86_400:
            raise ValueError(f"window is {self.window!r}: give seconds, from 0.001 to a year")

    def __str__(self) -> str:
        unit = next((f"/{name}" for name, seconds in SECONDS.items() if seconds == self.window), None)
        burst = f" burst {self.burst}" if self.burst else ""
        return f"{self.requests}{unit or f' per {self.window:g} seconds'}{burst}"


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

    - `redis`: an asyncio client, best from `resilience.connect`. A limiter belongs to one event loop.
    - `algorithm`: see the top of this module.
    - `on_error`: what is answered while Redis is away, "allow" or "deny".
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
        if not namespace or set(namespace) & set("{}"):
            raise ValueError(f"namespace is {namespace!r}: give it a name without braces")
        self.algorithm, self.on_error = algorithm, on_error
        self._redis, self._namespace, self._clock = redis, namespace, clock
        self._script = SCRIPTS[algorithm]

    async def check_rate_limit(self, user_id: int | str, endpoint: str, limit: str | Limit) -> Decision:
        """Decide on one request, and count it where it is allowed: one round trip.

        `limit` is "50/minute", "10 per 5 seconds", several joined by ";" (all of them allow, or nothing is counted), or
        a `Limit`. ValueError, which shows a good one, for one that is wrong.
        """
        return (await self._decide(user_id, endpoint, _rules(limit, self.algorithm), spend=True))[0]

    async def get_rate_limit_info(self, user_id: int | str) -> dict[str, Decision]:
        """What a request would be told now, by the endpoints on which this user has spent something; spends nothing.

        While Redis is away nothing is known: an empty dict.
        """
        index = self._index(user_id)
        found: dict[str, Decision] = {}
        try:
            members = await CircuitBreaker.of(self._redis).call(self._redis.execute_command, "ZRANGE", index, 0, -1)
        except RedisAway:
            return {}
        for member in members:
            text, _, endpoint = (member if isinstance(member, str) else member.decode()).partition(" ")
            rules = _stored(text, self.algorithm)
            decision, _ = await self._decide(user_id, endpoint, rules, spend=False)
            if decision.reset_after and (endpoint not in found or decision.remaining < found[endpoint].remaining):
                found[endpoint] = decision
        return found

    async def _decide(
        self, user_id: int | str, endpoint: str, rules: "_Rules", *, spend: bool
    ) -> tuple[Decision, Limit]:
        """The decision, and the limit with least left."""
        index, endpoint = self._index(user_id), _short(endpoint, PLAIN_ENDPOINT)
        keys = [index, *[f"{index}:{name}:{endpoint}:" for name in rules.names]]
        clock = "" if self._clock is None else round(self._clock() * 1_000_000)
        member = f"{rules.text} {endpoint}" if spend else ""
        breaker = CircuitBreaker.of(self._redis)
        try:
            told = await breaker.call(self._script.run, self._redis, keys, clock, member, *rules.arguments)
        except RedisAway:
            limit = min(rules.limits, key=lambda each: each.requests)
            if self.on_error == "allow":
                return Decision(True, limit.requests, limit.requests, 0.0, 0.0), limit
            return Decision(False, limit.requests, 0, breaker.retry_after, breaker.retry_after), limit
        # Three numbers for each limit: left, microseconds until all are there again, and until one is.
        place = 0
        if len(told) > 3:
            place = min(range(0, len(told), 3), key=lambda i: (told[i], -told[i + 2], -told[i + 1]))
        remaining, reset, wait = told[place : place + 3]
        limit = rules.limits[place // 3]
        return Decision(wait == 0, limit.requests, remaining, reset / 1_000_000, wait / 1_000_000), limit

    def _index(self, user_id: int | str) -> str:
        if isinstance(user_id, bool) or not isinstance(user_id, int | str) or user_id == "":
            raise TypeError(f"a user_id is a whole number or a string, not {user_id!r}")
        return f"{{{self._namespace}:{_short(str(user_id), PLAIN_USER)}}}:{self.algorithm}"


class _Rules(NamedTuple):
    """Limits as a script takes them: `names` stand in keys, and their `text` in the index."""

    limits: tuple[Limit, ...]
    names: tuple[str, ...]
    text: str
    arguments: tuple[int, ...]


@lru_cache(maxsize=1024)
def _rules(limit: str | Limit, algorithm: str) -> _Rules:
    limits = {}
    for each in (limit,) if isinstance(limit, Limit) else parse(limit):
        numbers = [each.requests, round(each.window * 1_000_000)]
        if algorithm == "token_bucket":
            numbers.append(each.burst or each.requests)
        elif each.burst:
            raise ValueError(f"{each}: a burst is for the algorithm token_bucket, and this is {algorithm}")
        limits[tuple(numbers)] = each
    names = tuple("/".join(map(str, numbers)) for numbers in limits)
    return _Rules(tuple(limits.values()), names, ";".join(names), tuple(itertools.chain(*limits)))


def _stored(text: str, algorithm: str) -> _Rules:
    """The rules whose `text` this is."""
    limits = []
    for name in text.split(";"):
        requests, window, *burst = map(int, name.split("/"))
        limits.append(Limit(requests, window / 1_000_000, *burst))
    return _Rules(tuple(limits), tuple(text.split(";")), text, tuple(map(int, re.split("[/;]", text))))


def parse(text: str) -> tuple[Limit, ...]:
    """The limits of "50/minute", "10 per 5 seconds", "5/second; 100/hour", "30/minute burst 12".

    As `slowapi` and `limits` have them, and the burst of a token bucket besides: a month has 30 days, a year 360.
    """
    limits = []
    for part in re.split("[;,|]", text) if isinstance(text, str) else [""]:
        if not (found := ONE_LIMIT.fullmatch(part)):
            raise ValueError(
                f"{text!r} is no limit: write '50/minute', '10 per 5 seconds', or several as '5/second; 100/hour'"
            )
        requests, many, unit, burst = found.groups()
        limits.append(Limit(int(requests), int(many or 1) * SECONDS[unit.lower()], int(burst) if burst else None))
    return tuple(limits)


def _short(name: str, plain: re.Pattern[str]) -> str:
    """A name as it stands in a key: by its digest where it is long, or could be taken for another."""
    if plain.fullmatch(name):
        return name
    return "~" + hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest()
