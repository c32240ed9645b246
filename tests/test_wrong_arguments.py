"""A wrong argument is an error that names it, raised where it's passed, not in a later request."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.asyncio import BlockingConnectionPool, RedisCluster
from redis.asyncio.sentinel import Sentinel
from redis.cluster import LoadBalancingStrategy

from course_lib import redis_client
from course_lib.api import create_app
from course_lib.cache import Cache, JsonCodec
from course_lib.limiter import (
    Decision,
    Limit,
    RateLimiter,
    RateLimitMiddleware,
    address_behind,
    parse,
    too_many_requests,
)

pytestmark = pytest.mark.anyio

URL = "redis://127.0.0.1:1"
REDIS = redis_client.connect(URL)
CACHE = Cache(REDIS)
LIMITER = RateLimiter(REDIS)

NEVER: list[Any] = [5.5, -1, math.nan, math.inf, [], {}, b"x", object()]
"""Values that no argument takes, but for a number of seconds or a share."""
NOT_TEXT = [*NEVER, None, True, 5]
NOT_A_COUNT = [*NEVER, None, True, 0, "5"]
NOT_SECONDS = [*NEVER[1:], True, 0, "5"]
NOT_A_FUNCTION = [*NEVER, True, "5", 0]
NOT_A_SWITCH = [*NEVER, None, 1, "no"]
NOT_A_CLIENT = [*NEVER, None, URL, redis.Redis(), BlockingConnectionPool(), REDIS.pipeline()]


async def load() -> int:
    return 1


def get_or_set(**options: Any) -> Any:
    return CACHE.get_or_set(**{"key": "key", "loader": load, **options})


def store(**options: Any) -> Any:
    return CACHE.set(**{"key": "key", "value": 1, **options})


def decorate_load(**options: Any) -> Any:
    return CACHE.cached(**options)(load)


def new_cache(**options: Any) -> Cache:
    return Cache(**{"redis": REDIS, **options})


def new_limiter(**options: Any) -> RateLimiter:
    return RateLimiter(**{"redis": REDIS, **options})


def check(**options: Any) -> Any:
    request = {"user_id": 1, "endpoint": "/", "limit": "5/minute"}
    return LIMITER.check_rate_limit(**{**request, **options})


def limit(**options: Any) -> Any:
    return LIMITER.limit(**{"limit": "5/minute", **options})(load)


def new_middleware(**options: Any) -> RateLimitMiddleware:
    app: Any = load
    required = {"app": app, "limiter": LIMITER, "limits": {"*": "5/minute"}}
    return RateLimitMiddleware(**{**required, **options})


def new_app(**options: Any) -> Any:
    return create_app(**{"db_path": "/no/such/file", "redis_url": URL, **options})


def new_limit(**options: Any) -> Limit:
    return Limit(**{"requests": 5, "window": 60.0, **options})


def connect(**options: Any) -> Any:
    return redis_client.connect(**{"url": URL, **options})


def pool(**options: Any) -> Any:
    return redis_client.pool(**{"url": URL, **options})


def verify(**options: Any) -> Any:
    return redis_client.verify(**{"redis": REDIS, **options})


def new_breaker(**options: Any) -> Any:
    new_pool = BlockingConnectionPool()
    return redis_client.CircuitBreaker(**{"source": new_pool, **options})


WRONG: list[tuple[Callable[..., Any], str, list[Any]]] = [
    (new_cache, "redis", NOT_A_CLIENT),
    (new_cache, "namespace", [*NOT_TEXT, "", "{a}", "\ud800"]),
    (new_cache, "ttl", [*NOT_SECONDS, None, load]),
    (new_cache, "load_timeout", [*NOT_SECONDS, None]),
    (new_cache, "jitter", [*NEVER[1:], None, True, False, 1, "0"]),
    (new_cache, "max_bytes", [*NOT_A_COUNT, 10**9]),
    (new_cache, "codec", [*NEVER, 0, "json", JsonCodec]),
    (new_cache, "shards", NOT_A_COUNT),
    (store, "key", [*NOT_TEXT, ""]),
    (store, "ttl", [*NOT_SECONDS, load]),
    (store, "raw", NOT_A_SWITCH),
    (get_or_set, "key", [*NOT_TEXT, ""]),
    (get_or_set, "loader", [*NOT_A_FUNCTION, None]),
    (get_or_set, "ttl", [*NOT_SECONDS, load]),
    (get_or_set, "stale", NOT_SECONDS),
    (get_or_set, "raw", NOT_A_SWITCH),
    (get_or_set, "on_outcome", [*NOT_A_FUNCTION, load]),
    (decorate_load, "ttl", [*NOT_SECONDS, load]),
    (decorate_load, "stale", NOT_SECONDS),
    (decorate_load, "key", [*NEVER, "", 5, load]),
    (decorate_load, "user", [*NEVER, "", 5, load]),
    (new_limiter, "redis", NOT_A_CLIENT),
    (new_limiter, "algorithm", NOT_TEXT),
    (new_limiter, "namespace", [*NOT_TEXT, "", "{a}", "\ud800"]),
    (new_limiter, "on_error", NOT_TEXT),
    (new_limiter, "enforce", NOT_A_SWITCH),
    (new_limiter, "clock", [*NOT_A_FUNCTION, load]),
    (check, "user_id", [*NEVER[:1], *NEVER[2:], None, True, ""]),
    (check, "endpoint", NOT_TEXT),
    (check, "limit", NOT_TEXT),
    (check, "cost", [*NEVER, None, True, "5", 1.0]),
    (limit, "limit", NOT_TEXT),
    (limit, "identify", NOT_A_FUNCTION),
    (limit, "anonymous", NOT_A_FUNCTION),
    (limit, "cost", NOT_A_FUNCTION),
    (limit, "endpoint", [*NEVER, True, 5]),
    (new_middleware, "app", NOT_A_FUNCTION),
    (new_middleware, "limiter", [*NEVER, None, REDIS]),
    (new_middleware, "limits", [*NEVER[:5], None, "5/minute", {5: "5/minute"}]),
    (new_middleware, "exempt", [*NEVER[:4], *NEVER[6:], None, "/health", [None]]),
    (new_middleware, "identify", NOT_A_FUNCTION),
    (new_middleware, "anonymous", NOT_A_FUNCTION),
    (new_middleware, "tiers", NOT_A_FUNCTION),
    (new_middleware, "cost", NOT_A_FUNCTION),
    (new_middleware, "on_reject", NOT_A_FUNCTION),
    (new_app, "indexes", NOT_A_SWITCH),
    (new_app, "cache", NOT_A_SWITCH),
    (new_app, "monitor", NOT_A_SWITCH),
    (new_app, "user_ttl", [*NOT_SECONDS, None]),
    (new_app, "platform_ttl", [*NOT_SECONDS, None]),
    (new_app, "namespace", [*NOT_TEXT, "", "{a}", "\ud800"]),
    (new_limit, "requests", NOT_A_COUNT),
    (new_limit, "window", [*NOT_SECONDS, None]),
    (new_limit, "burst", [*NEVER, True, 0, "5"]),
    (connect, "url", NOT_TEXT),
    (connect, "max_connections", NOT_A_COUNT),
    (connect, "time_limit", NOT_SECONDS),
    (connect, "connect_timeout", [*NOT_SECONDS, None]),
    (connect, "failures", NOT_A_COUNT),
    (connect, "retry_after", [*NOT_SECONDS, None]),
    (pool, "url", NOT_TEXT),
    (pool, "max_connections", NOT_A_COUNT),
    (verify, "redis", NOT_A_CLIENT),
    (verify, "keys", [*NEVER, None, "key", [None]]),
    (new_breaker, "source", [*NEVER, None, REDIS]),
    (new_breaker, "failures", NOT_A_COUNT),
    (new_breaker, "time_limit", NOT_SECONDS),
]


@pytest.mark.parametrize(
    ("call", "argument", "values"),
    [pytest.param(*wrong, id=f"{wrong[0].__name__}-{wrong[1]}") for wrong in WRONG],
)
async def test_a_wrong_argument_is_named_where_it_is_passed(
    call: Callable[..., Any], argument: str, values: list[Any]
) -> None:
    for value in values:
        with pytest.raises((TypeError, ValueError), match=argument) as raised:
            result = call(**{argument: value})
            if inspect.isawaitable(result):
                await result
        assert type(raised.value) in (TypeError, ValueError), value


def test_a_wrong_setting_of_a_breaker_is_named() -> None:
    breaker = redis_client.CircuitBreaker.of(redis_client.connect(URL))
    for value in NOT_A_COUNT:
        with pytest.raises(ValueError, match="failures"):
            breaker.failures = value
    for name in ("time_limit", "connect_timeout", "retry_after"):
        for value in NOT_SECONDS:
            with pytest.raises((TypeError, ValueError), match=name):
                setattr(breaker, name, value)


@pytest.mark.parametrize("value", NOT_TEXT)
def test_what_is_not_a_limit_or_a_decision_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match="limit must be a string such as '50/minute'"):
        parse(value)
    with pytest.raises(TypeError, match="decision must be what check_rate_limit returns"):
        too_many_requests(value, "5/minute")
    with pytest.raises(TypeError, match="limit must be a string such as '50/minute'"):
        too_many_requests(Decision(True, 1, 1, 0.0, 0.0), value)


@pytest.mark.parametrize("value", [*NOT_TEXT, "", "10.0.0.1/8", "proxy.internal"])
def test_what_is_not_a_proxy_is_named(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="proxy"):
        address_behind(value)


@pytest.mark.parametrize("value", [*NEVER, None, "5", classmethod(load), staticmethod(load)])
def test_a_decorator_says_what_it_belongs_above(value: Any) -> None:
    with pytest.raises(TypeError, match=r"put @cache.cached above a function"):
        CACHE.cached()(value)
    with pytest.raises(TypeError, match=r"put @limiter.limit above a function"):
        LIMITER.limit("5/minute")(value)


def test_a_wrong_limit_is_named_with_its_route() -> None:
    for bad in ("often", 5, [], {"free": "often"}):
        with pytest.raises((TypeError, ValueError), match="'/items'"):
            new_middleware(limits={"/items": bad}, tiers=str)


def test_a_cache_refuses_a_client_that_reads_from_replicas() -> None:
    options: Any = {
        "host": "localhost",
        "load_balancing_strategy": LoadBalancingStrategy.ROUND_ROBIN,
    }
    sentinel: Any = Sentinel([("localhost", 26379)])
    for client in (RedisCluster(**options), sentinel.slave_for("name")):
        with pytest.raises(ValueError, match="redis reads from replicas"):
            Cache(client)
    Cache(sentinel.master_for("name"))


def test_a_pool_has_one_breaker() -> None:
    client = redis_client.connect(URL)
    with pytest.raises(ValueError, match=r"get it from CircuitBreaker.of"):
        redis_client.CircuitBreaker(client.connection_pool, failures=5)
