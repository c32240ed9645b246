"""Whatever callers pass to the library, it works or raises TypeError or ValueError."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server
from course_lib.limiter import Limit, RateLimiter, address_behind, parse
from course_lib.monitor import PerformanceMonitor, figures, prometheus
from course_lib.optimizer import Plan
from course_lib.redis_client.address import parse as parse_address
from tests.conftest import PATIENT
from tests.fuzzing import fuzz

INVALID = (TypeError, ValueError)
MISSING = object()
LONG = 60  # seconds; no test takes so long
TEXT = st.text(st.characters())  # with NUL, and with halves of characters
SECONDS = (
    st.floats()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 1e-320, True, "5", None])
    | st.timedeltas()
)
NAMES = TEXT | st.integers() | st.uuids() | st.booleans() | st.floats() | st.binary() | st.none()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=8,
)

Run = Callable[[Callable[[Redis], Awaitable[Any]]], Any]


@pytest.fixture(scope="module")
def run(own_server: redis_server.RedisServer) -> Iterator[Run]:
    """Yield a function that runs a coroutine function with a client, all in one event loop."""
    client = redis_client.connect(own_server.url, time_limit=PATIENT)
    with asyncio.Runner() as runner:
        yield lambda body: runner.run(body(client))  # type: ignore[arg-type]
        runner.run(client.aclose())


@fuzz(60)
@given(key=NAMES, value=VALUES, user=NAMES, ttl=SECONDS)
def test_a_stored_value_comes_back_and_goes_with_its_user(
    run: Run, key: Any, value: Any, user: Any, ttl: Any
) -> None:
    async def body(redis: Redis) -> None:
        cache = Cache(redis, namespace=secrets.token_hex(8))
        try:
            await cache.set(key, value, ttl, user_id=user)
        except INVALID:
            return
        seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
        if seconds is not None and float(seconds) < LONG:
            return  # it may have expired
        assert await cache.get(key, MISSING) == value
        if user is not None:
            assert await cache.invalidate_user_cache(user) == 1
            assert await cache.get(key, MISSING) is MISSING

    run(body)


@fuzz(40)
@given(namespaces=st.lists(TEXT, min_size=2, max_size=2, unique=True), key=TEXT, user=TEXT)
def test_namespaces_never_share_an_entry_or_a_limit(
    run: Run, namespaces: list[str], key: str, user: str
) -> None:
    async def body(redis: Redis) -> None:
        mark = secrets.token_hex(8)
        first, second = (f"{mark}{namespace}" for namespace in namespaces)
        try:
            caches = Cache(redis, namespace=first), Cache(redis, namespace=second)
            limiters = (
                RateLimiter(redis, namespace=first, algorithm="fixed_window"),
                RateLimiter(redis, namespace=second, algorithm="fixed_window"),
            )
            await caches[0].set(key, "value", user_id=user)
            await limiters[0].check_rate_limit(user, key, "1/day")
        except INVALID:
            return
        assert await caches[1].get(key) is None
        assert await caches[1].invalidate_user_cache(user) == 0
        assert await limiters[1].check_rate_limit(user, key, "1/day")
        assert not await limiters[0].check_rate_limit(user, key, "1/day")

    run(body)


@fuzz(40)
@given(clients=st.lists(st.tuples(NAMES, TEXT), min_size=2, max_size=2))
def test_clients_and_endpoints_with_other_names_never_share_a_limit(
    run: Run, clients: list[tuple[Any, str]]
) -> None:
    assume(len({(str(user), endpoint) for user, endpoint in clients}) == 2)

    async def body(redis: Redis) -> None:
        limiter = RateLimiter(redis, namespace=secrets.token_hex(8), algorithm="sliding_window")
        for user, endpoint in clients:
            with contextlib.suppress(*INVALID):
                decisions = [
                    await limiter.check_rate_limit(user, endpoint, "1/day") for _ in range(2)
                ]
                assert list(map(bool, decisions)) == [True, False]
                assert await limiter.get_rate_limit_info(user)

    run(body)


NUMBERS = st.integers(0, 10**12).map(str) | st.sampled_from(["", "0", "-1", "1.5", "٣", "9" * 5000])
UNITS = st.sampled_from(["second", "minutes", "HOUR", "day", "month", "year", "week", ""])
LIMITS = (
    TEXT
    | st.builds("{}/{}".format, NUMBERS, UNITS)
    | st.builds("{} per {} {} burst {}".format, NUMBERS, NUMBERS, UNITS, NUMBERS)
)


@fuzz(60)
@given(text=st.lists(LIMITS, min_size=1, max_size=3).map(";".join))
def test_a_text_is_a_limit_that_is_written_as_it_is_read_or_an_error(text: str) -> None:
    try:
        limits = parse(text)
    except ValueError:
        return
    assert parse("; ".join(map(str, limits))) == limits


@fuzz(60)
@given(requests=st.integers(1, 10**9), window=st.floats(0.001, 366 * 86_400))
def test_each_limit_can_be_written_as_text(requests: int, window: float) -> None:
    limit = Limit(requests, window)
    assert parse(str(limit)) == (limit,)


ADDRESSES = st.ip_addresses().map(str).map(str.encode)
ENTRIES = (
    ADDRESSES
    | st.binary()
    | st.builds(b"%b:80".__mod__, ADDRESSES)
    | st.builds(b'for="[%b]:1";proto=http'.__mod__, ADDRESSES)
    | st.sampled_from([b"unknown", b"", b"127.0.0.1", b"::ffff:127.0.0.1", b"::1%eth0"])
)
FORWARDED = st.tuples(
    st.sampled_from([b"x-forwarded-for", b"forwarded"]),
    st.lists(ENTRIES, max_size=30).map(b",".join),
)


@fuzz(60)
@given(headers=st.lists(FORWARDED, max_size=3), peer=st.sampled_from(["127.0.0.1", "9.9.9.9", ""]))
def test_a_forged_header_names_a_client_and_never_moves_one_that_is_no_proxy(
    headers: list[tuple[bytes, bytes]], peer: str
) -> None:
    identify = address_behind("127.0.0.0/8", "unix")
    client = identify({"type": "http", "headers": headers, "client": (peer, 1)})
    assert isinstance(client, str) and client
    if peer == "9.9.9.9":
        assert client == peer


@fuzz(60)
@given(
    names=st.tuples(TEXT | NAMES, TEXT | NAMES, NAMES),
    duration=st.just(10**400) | SECONDS,
    status=st.integers() | st.none() | st.just(10**400),
    times=st.integers() | st.floats(),
)
def test_what_the_monitor_counts_can_always_be_shown(
    names: tuple[Any, Any, Any], duration: Any, status: Any, times: Any
) -> None:
    endpoint, statement, name = names
    monitor = PerformanceMonitor()
    with contextlib.suppress(*INVALID):
        monitor.log_request(endpoint, duration, status)
    with contextlib.suppress(*INVALID):
        monitor.log_query(statement, duration, endpoint=endpoint)
    with contextlib.suppress(*INVALID):
        monitor.count(name, times)
    json.dumps(figures(monitor)).encode()
    prometheus(monitor).encode()


TABLE_STEPS = ["SCAN", "SEARCH", "t", "USING", "COVERING", "INDEX", "i", "(a=?", "AND b>?)", "AS"]
OTHER_STEPS = ["SUBQUERY 1", "CO-ROUTINE", "USE TEMP B-TREE FOR", "ORDER BY", "VIRTUAL TABLE", "("]
WORDS = st.sampled_from([*TABLE_STEPS, *OTHER_STEPS])
STEPS = st.lists(WORDS | TEXT, max_size=8).map(" ".join)


@fuzz(60)
@given(texts=st.lists(STEPS, max_size=5), indexes=st.lists(TEXT, max_size=2))
def test_the_text_of_any_plan_can_be_read_and_shown(texts: list[str], indexes: list[str]) -> None:
    rows = [(number, number - 1, 0, text) for number, text in enumerate(texts, start=1)]
    plan = Plan.from_rows(rows, indexes=indexes)
    assert len(plan.steps) == len(texts)
    assert str(plan)


@fuzz(60)
@given(
    url=TEXT
    | st.builds(
        "{}://{}/{}?{}".format,
        st.sampled_from(["redis", "rediss", "unix", "redis+cluster", "redis+sentinel", "http"]),
        TEXT | st.sampled_from(["", "h:1,h:2", "u:p@h", "[::1]:1", "h:x", "h:99999", "@@"]),
        TEXT | st.sampled_from(["", "0", "name/1", "-1", "x"]),
        TEXT | st.sampled_from(["", "db=1", "db=x", "socket_timeout=x", "protocol=9"]),
    )
)
def test_a_text_is_a_url_of_redis_or_a_value_error(url: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_address(url).hosts


@fuzz(60)
@given(ttl=SECONDS, jitter=st.floats(), window=SECONDS)
def test_durations_are_in_range_or_an_error(ttl: Any, jitter: float, window: Any) -> None:
    redis = redis_client.connect("redis://127.0.0.1:1")
    with contextlib.suppress(*INVALID):
        cache = Cache(redis, ttl=ttl, jitter=jitter)
        seconds = cache.ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
        assert 0 < seconds <= 366 * 86_400 and 0 <= cache.jitter < 1
    with contextlib.suppress(*INVALID):
        assert 0.001 <= Limit(1, window).window <= 366 * 86_400
