"""The limiter on real servers: beside slow models, from several processes, without Redis."""

import asyncio
import enum
import functools
import itertools
import json
import logging
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.crc import key_slot

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.limiter import Algorithm, Decision, Limit, RateLimiter, parse
from course_lib.limiter.limits import SECONDS
from tests.conftest import PATIENT, empty_client, on_both_engines
from tests.counting_redis import CountingRedis, counting_client
from tests.fuzzing import fuzz

HELPER = Path(__file__).with_name("limiter_in_a_process.py")
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
SECOND = 1_000_000  # the models count in microseconds
START = 1_700_000_000 * SECOND
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def redis(server: redis_server.RedisServer) -> AsyncIterator[CountingRedis]:
    async with empty_client(server, counting_client) as client:
        yield client


class Clock:
    """A clock set by hand, in microseconds; a call returns seconds."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now / SECOND


def with_clock(redis: Redis, algorithm: Algorithm, **options: Any) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(redis, algorithm=algorithm, clock=clock, **options), clock


# --- each algorithm beside a slow model that remembers every request ---


class Model:
    """An algorithm as the number of requests free at any time; the rest follows by trying."""

    def __init__(self, requests: int, window: int, burst: int | None) -> None:
        self.requests, self.window, self.burst = requests, window, burst or requests
        self.admitted: list[int] = []

    def free(self, now: int) -> int:
        raise NotImplementedError

    def wait_until(self, holds: Callable[[int], bool], now: int) -> int:
        """Return the shortest wait until this holds; it stays true, as no more requests come."""
        low, high = -1, 3 * self.window * (1 + self.burst // self.requests)
        assert holds(now + high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(now + middle) else (middle, high)
        return high

    def state(self, now: int) -> tuple[int, int, int]:
        """Return the requests left, how long until all are free again, and until one is."""
        reset_after = self.wait_until(lambda later: self.spent(later) == 0, now)
        retry_after = self.wait_until(lambda later: self.free(later) > 0, now)
        return self.free(now), reset_after, retry_after

    def spent(self, now: int) -> Fraction:
        raise NotImplementedError


class FixedWindow(Model):
    def spent(self, now: int) -> Fraction:
        number = now // self.window
        return Fraction(sum(timestamp // self.window == number for timestamp in self.admitted))

    def free(self, now: int) -> int:
        return math.floor(self.requests - self.spent(now))


class SlidingLog(FixedWindow):
    def spent(self, now: int) -> Fraction:
        return Fraction(sum(timestamp > now - self.window for timestamp in self.admitted))


class SlidingWindow(FixedWindow):
    def spent(self, now: int) -> Fraction:
        counts = Counter(timestamp // self.window for timestamp in self.admitted)
        number = now // self.window
        weight = Fraction(self.window - now % self.window, self.window)
        return counts[number] + counts[number - 1] * weight


class TokenBucket(FixedWindow):
    def spent(self, now: int) -> Fraction:
        spent, before = Fraction(0), START
        for timestamp in [*self.admitted, now]:
            refilled = Fraction((timestamp - before) * self.requests, self.window)
            spent = max(Fraction(0), spent - refilled) + 1
            before = timestamp
        return spent - 1  # the request at `now` isn't counted

    def free(self, now: int) -> int:
        return math.floor(self.burst - self.spent(now))


MODELS = dict(zip(ALGORITHMS, (FixedWindow, SlidingLog, SlidingWindow, TokenBucket), strict=True))

Rules = list[tuple[int, int, int | None]]  # requests, seconds, burst


@pytest.fixture(scope="module")
def run(
    any_server: redis_server.RedisServer,
) -> Iterator[Callable[[Callable[[Redis], Awaitable[None]]], None]]:
    """Run a coroutine function on a client, in one event loop for all examples."""
    with asyncio.Runner() as runner:
        client = redis_client.connect(any_server.url, time_limit=PATIENT)
        yield lambda body: runner.run(body(client))  # type: ignore[arg-type]
        runner.run(client.aclose())


_users = itertools.count()
rules = st.lists(
    st.tuples(st.integers(1, 8), st.sampled_from([60, 77, 300, 3600]), st.integers(1, 12)),
    min_size=1,
    max_size=3,
    unique_by=lambda rule: rule[1],
)
# Mostly short gaps, so that limits are reached. "wait" is `retry_after`, "early" 1 µs less.
gaps = st.lists(
    st.one_of(
        st.sampled_from(["wait", "wait", "early", "boundary", "before boundary"]),
        st.just(0),
        st.integers(0, 5 * SECOND),
        st.integers(0, 100 * SECOND),
    ),
    max_size=40,
)


@each_algorithm
@fuzz(60)
@given(rules=rules, gaps=gaps)
def test_every_decision_equals_that_of_a_slow_model(
    run: Any, algorithm: Algorithm, rules: Rules, gaps: list[int | str]
) -> None:
    bursts = algorithm == "token_bucket"
    models: list[Model] = []
    texts = []
    for requests, seconds, burst in rules:
        models.append(MODELS[algorithm](requests, seconds * SECOND, burst if bursts else None))
        texts.append(f"{requests} per {seconds} seconds" + f" burst {burst}" * bursts)
    text = "; ".join(texts)

    async def compare(redis: Redis) -> None:
        limiter, clock = with_clock(redis, algorithm)
        user = next(_users)
        decision = Decision(True, 1, 1, 0.0, 0.0)
        for gap in gaps:
            wait = round(decision.retry_after * SECOND)
            window = models[0].window
            to_boundary = window - clock.now % window
            named = {
                "wait": wait,
                "early": wait - 1,
                "boundary": to_boundary,
                "before boundary": to_boundary - 1,
            }
            clock.now += max(named[gap] if isinstance(gap, str) else gap, 0)
            states = [model.state(clock.now) for model in models]
            admitted = all(remaining > 0 for remaining, _, _ in states)
            if admitted:
                for model in models:
                    model.admitted.append(clock.now)
                states = [(*model.state(clock.now)[:2], 0) for model in models]
            decision = await limiter.check_rate_limit(user, "endpoint", text)
            reset_after = round(decision.reset_after * SECOND)
            retry_after = round(decision.retry_after * SECOND)
            state = (decision.remaining, reset_after, retry_after)
            assert state == min(states, key=lambda state: (state[0], -state[2], -state[1]))
            assert decision.allowed == bool(decision) == admitted
            strictest = [model for model, own in zip(models, states, strict=True) if own == state]
            assert decision.limit in [model.burst for model in strictest]

    run(compare)


@pytest.mark.parametrize("algorithm", ["fixed_window", "sliding_window", "token_bucket"])
@fuzz(60)
@given(requests=st.integers(1, 10**9), seconds=st.floats(1, 366 * 86_400), share=st.floats(0, 1))
@example(requests=7018, seconds=21298647.62556857, share=0.5)
@example(requests=256377043, seconds=18853153.651957415, share=0.5)
def test_a_limit_of_any_size_can_be_spent_to_its_last_request_and_comes_back(
    run: Any, algorithm: Algorithm, requests: int, seconds: float, share: float
) -> None:
    async def spend(redis: Redis) -> None:
        limiter, clock = with_clock(redis, algorithm)
        check = functools.partial(
            limiter.check_rate_limit, next(_users), "endpoint", Limit(requests, seconds)
        )
        part = int(requests * share)
        assert (await check(cost=0)).remaining == requests
        assert (await check(cost=part)).remaining == requests - part
        for cost in (requests - part, requests):  # the second waits for the whole limit
            decision = await check(cost=cost)
            while not decision:
                assert 0 < decision.retry_after <= 2 * math.ceil(seconds)
                clock.now += round(decision.retry_after * SECOND)
                decision = await check(cost=cost)
            assert decision.remaining == 0
        assert clock.now - START >= (seconds - 1) * SECOND * (algorithm != "fixed_window")

    run(spend)


@each_algorithm
@fuzz(60)
@given(spent_at=st.integers(0, 60 * SECOND), back=st.integers(0, 400 * SECOND))
def test_setting_the_clock_back_locks_no_user_out(
    run: Any, algorithm: Algorithm, spent_at: int, back: int
) -> None:
    async def set_back(redis: Redis) -> None:
        limiter, clock = with_clock(redis, algorithm)
        user = next(_users)
        clock.now += spent_at
        while await limiter.check_rate_limit(user, "endpoint", "3/minute"):
            pass
        clock.now -= back
        for _ in range(12):
            waited = 0
            while not (decision := await limiter.check_rate_limit(user, "endpoint", "3/minute")):
                assert decision.retry_after > 0
                waited += round(decision.retry_after * SECOND)
                clock.now += round(decision.retry_after * SECOND)
            assert waited < 3 * 60 * SECOND
            assert 0 <= decision.remaining < 3
            assert decision.reset_after <= 3 * 60

    run(set_back)


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_setting_the_clock_back_by_seconds_admits_no_more(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter, clock = with_clock(redis, algorithm)
    clock.now += 59 * SECOND - START % (60 * SECOND)
    for _ in range(3):
        assert await limiter.check_rate_limit(1, "endpoint", "3/minute")
    assert not await limiter.check_rate_limit(1, "endpoint", "3/minute")
    clock.now -= 30 * SECOND
    assert not await limiter.check_rate_limit(1, "endpoint", "3/minute")


# What lesson 3 and the docstring of limiter.py say about "100/minute".
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("algorithm", "most"),
    [("fixed_window", 200), ("sliding_log", 100), ("sliding_window", 199), ("token_bucket", 199)],
)
async def test_the_most_in_any_minute_is_what_the_docstring_says(
    redis: Redis, algorithm: Algorithm, most: int
) -> None:
    limiter, clock = with_clock(redis, algorithm)
    minute = 60 * SECOND
    window_start = START // minute * minute + minute
    clock.now = window_start
    admitted = []
    end = 60 if algorithm == "fixed_window" else 59.99
    steady = [60 + 0.05 * number for number in range(1200)]
    for seconds in [*[59.99] * 100, *steady, *[59.989 + end] * 100]:
        clock.now = max(clock.now, window_start + round(seconds * SECOND))
        if await limiter.check_rate_limit(1, "endpoint", "100/minute"):
            admitted.append(clock.now)
    in_a_minute = []
    for first in admitted:
        in_a_minute.append(sum(first <= later < first + minute for later in admitted))
    assert max(in_a_minute) == most


# --- exactness ---


@pytest.fixture(scope="module")
def eight_processes(own_server: redis_server.RedisServer) -> list[dict[str, Any]]:
    """Return the reports of eight processes that send requests of one user at the same time."""
    user = f"exact {time.monotonic_ns()}"
    command = [sys.executable, str(HELPER), "8", own_server.url, user]
    processes = []
    for _ in range(8):
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    results = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    return [json.loads(result) for result in results]


@pytest.mark.parametrize("algorithm", ["fixed_window", "sliding_log", "sliding_window"])
def test_eight_processes_together_get_exactly_the_limit(
    eight_processes: list[dict[str, Any]], algorithm: Algorithm
) -> None:
    results = [process[algorithm] for process in eight_processes]
    assert sum(result["admitted"] for result in results) == 100
    assert sum(result["requests"] for result in results) == 8 * 200


def test_eight_processes_together_get_a_buckets_burst_and_what_it_refilled(
    eight_processes: list[dict[str, Any]],
) -> None:
    results = [process["token_bucket"] for process in eight_processes]
    refilled = sum(result["admitted"] for result in results) - 100
    last_end = max(result["ended"] for result in results)
    first_start = min(result["started"] for result in results)
    last_request = max(result["last_request"] for result in results)
    first_reply = min(result["first_reply"] for result in results)
    longest, shortest = last_end - first_start, last_request - first_reply
    assert 50 * shortest - 1 <= refilled <= 50 * longest


@pytest.mark.anyio
@each_algorithm
async def test_a_client_that_waits_for_retry_after_is_admitted(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    for number in range(15):
        limit = Limit(2 + number % 3, 0.05 + 0.01 * (number % 7))
        while decision := await limiter.check_rate_limit(number, "endpoint", limit):
            pass
        assert decision.retry_after > 0
        await asyncio.sleep(decision.retry_after)
        assert await limiter.check_rate_limit(number, "endpoint", limit)


# --- several limits ---


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_a_request_counts_only_if_all_its_limits_allow_it(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter, clock = with_clock(redis, algorithm)
    for _ in range(2):
        assert await limiter.check_rate_limit(1, "endpoint", "2/minute; 100/hour")
    for _ in range(20):
        decision = await limiter.check_rate_limit(1, "endpoint", "2/minute; 100/hour")
        assert (decision.allowed, decision.limit, decision.remaining) == (False, 2, 0)
    clock.now += 120 * SECOND
    for _ in range(2):
        await limiter.check_rate_limit(1, "endpoint", "2/minute; 100/hour")
    if algorithm != "token_bucket":  # a bucket has been refilled a little
        decision = await limiter.check_rate_limit(1, "endpoint", "100/hour")
        assert decision.remaining == 100 - 4 - 1


@pytest.mark.anyio
async def test_two_equal_limits_count_as_one(redis: Redis) -> None:
    limiter = RateLimiter(redis)
    decision = await limiter.check_rate_limit(1, "endpoint", "5/minute; 5 per 60 seconds")
    assert decision.remaining == 4


# --- keys and memory ---


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_a_decision_is_one_round_trip(redis: CountingRedis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    await limiter.check_rate_limit(1, "endpoint", "1/day; 5/day")  # loads the script
    redis.sent.clear()
    for _ in range(3):
        await limiter.check_rate_limit(1, "endpoint", "2/day; 5/day")
    assert redis.sent == ["EVALSHA"] * 3


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_a_rejected_request_costs_no_memory(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)

    async def memory() -> dict[bytes, int]:
        return {key: await redis.memory_usage(key) for key in sorted(await redis.keys("*"))}

    while await limiter.check_rate_limit(1, "endpoint", "5/day"):
        pass
    before = await memory()
    for _ in range(500):
        assert not await limiter.check_rate_limit(1, "endpoint", "5/day")
        assert not await limiter.check_rate_limit(1, "endpoint", "100/hour; 5/day")
    assert await memory() == before


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_every_key_expires_and_none_too_early(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    await limiter.check_rate_limit(1, "endpoint", "5 per 10 seconds; 100/hour")
    keys = await redis.keys("*")
    assert len(keys) == 3
    ttls = [await redis.pttl(key) for key in keys]
    assert min(ttls) > 0
    assert max(ttls) <= 2 * 3600 * 1000
    await redis.flushall()
    while decision := await limiter.check_rate_limit(1, "endpoint", Limit(3, 0.05)):
        pass
    assert await redis.keys("*") != []
    await asyncio.sleep(decision.reset_after + 0.15)
    assert await redis.keys("*") == []


HOSTILE = [
    *["a", "a:b", "a}", "a}:b", "{a}", "}", "a}{b", "a b", "a\nb", "a\x00b", "~a", "é"],
    *["\ud800", "a\ud800", "%7d", "*", "fixed_window", "a:fixed_window:3/60000000"],
    *["x" * length for length in (100, 101, 100_000, 100_001)],
]


@pytest.mark.anyio
@each_algorithm
async def test_hostile_names_share_no_limit_and_make_no_long_keys(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    index = min(await keys_of(redis, limiter, "x" * 101)).decode()
    digest = index.split(":")[1].split("}")[0]
    for user, endpoint in itertools.product([*HOSTILE, digest], HOSTILE):
        decision = await limiter.check_rate_limit(user, endpoint, "3/day; 5/hour")
        assert decision.remaining == 2, (user[:20], endpoint[:20])
    assert max(map(len, await redis.keys("*"))) < 1_000
    for user in HOSTILE:
        info = await limiter.get_rate_limit_info(user)
        assert len(info) == len(HOSTILE)
        assert {decision.remaining for decision in info.values()} == {2}


async def keys_of(redis: Redis, limiter: RateLimiter, user: str) -> list[bytes]:
    await redis.flushall()
    await limiter.check_rate_limit(user, "endpoint", "3/day; 5/hour")
    keys: list[bytes] = await redis.keys("*")
    await redis.flushall()
    return keys


@pytest.mark.anyio
@each_algorithm
@pytest.mark.parametrize("user", [42, "2001:db8::/64", *HOSTILE])
async def test_the_keys_of_a_decision_share_a_cluster_slot(
    redis: Redis, algorithm: Algorithm, user: int | str
) -> None:
    keys = await keys_of(redis, RateLimiter(redis, algorithm=algorithm), str(user))
    assert len(keys) == 3
    assert len({key_slot(key) for key in keys}) == 1


@pytest.mark.anyio
async def test_users_endpoints_namespaces_and_algorithms_are_separate(redis: Redis) -> None:
    for namespace, algorithm in itertools.product(("one", "other"), ALGORITHMS):
        limiter = RateLimiter(redis, algorithm=algorithm, namespace=namespace)
        for user, endpoint in itertools.product((1, 11, "1:1"), ("/a", "/a:b", "/{a}")):
            assert await limiter.check_rate_limit(user, endpoint, "1/day")
            assert not await limiter.check_rate_limit(user, endpoint, "1/day")


# --- what is left ---


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_info_lists_what_is_left_by_endpoint_and_spends_nothing(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter, clock = with_clock(redis, algorithm)
    assert await limiter.get_rate_limit_info(42) == {}
    for _ in range(3):
        await limiter.check_rate_limit(42, "/api/events", "3/minute; 100/hour")
    await limiter.check_rate_limit(42, "POST /a b", "5/minute")
    reader = RateLimiter(redis, algorithm=algorithm, clock=clock)  # like that of another process
    first = await reader.get_rate_limit_info(42)
    assert {endpoint: decision[:3] for endpoint, decision in first.items()} == {
        "/api/events": (False, 3, 0),
        "POST /a b": (True, 5, 4),
    }
    assert [await reader.get_rate_limit_info(42) for _ in range(5)] == [first] * 5
    clock.now += round(first["/api/events"].retry_after * SECOND)
    assert await limiter.check_rate_limit(42, "/api/events", "3/minute; 100/hour")
    clock.now += 7200 * SECOND
    assert await reader.get_rate_limit_info(42) == {}


@on_both_engines
@pytest.mark.anyio
@each_algorithm
async def test_info_lists_an_endpoint_until_its_limit_is_full_again(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter, clock = with_clock(redis, algorithm)
    for number in range(300):
        decision = await limiter.check_rate_limit(1, "endpoint", "3/minute; 20 per 10 minutes")
        gap = (number % 7) * 3
        clock.now += gap * SECOND
        info = await limiter.get_rate_limit_info(1)
        assert ("endpoint" in info) == (decision.reset_after > gap or len(info) == 1)
        await limiter.check_rate_limit(1, f"other {number % 5}", "5 per 2 seconds")
    assert await redis.zcard(f"{{limit:1}}:{algorithm}") <= 7


# --- limits as text ---


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("50/minute", [Limit(50, 60)]),
        ("50 / minute", [Limit(50, 60)]),
        ("50 per minute", [Limit(50, 60)]),
        ("50per minute", [Limit(50, 60)]),
        ("10 per 5 seconds", [Limit(10, 5)]),
        ("10/5seconds", [Limit(10, 5)]),
        ("1/hour", [Limit(1, 3600)]),
        ("1 PER DAY", [Limit(1, 86_400)]),
        ("2/2 months", [Limit(2, 2 * 30 * 86_400)]),
        ("1/year", [Limit(1, 360 * 86_400)]),
        ("5/second; 100/hour", [Limit(5, 1), Limit(100, 3600)]),
        ("5/second,100/hour|1000/day", [Limit(5, 1), Limit(100, 3600), Limit(1000, 86_400)]),
        ("30/minute burst 12", [Limit(30, 60, 12)]),
    ],
)
def test_parse_reads_limits_as_slowapi_and_limits_do(text: str, limits: list[Limit]) -> None:
    assert list(parse(text)) == limits


@given(
    st.integers(1, 10**9),
    st.integers(1, 300),
    st.sampled_from(list(SECONDS)[:4]),
    st.none() | st.integers(1, 99),
)
def test_parse_reads_what_str_writes(
    requests: int, multiple: int, unit: str, burst: int | None
) -> None:
    limit = Limit(requests, multiple * SECONDS[unit], burst)
    assert parse(str(limit)) == (limit,)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limit", "kind", "words"),
    [
        ("", ValueError, "'10 per 5 seconds', '30/minute burst 12', or several as"),
        ("50", ValueError, "'50' is not a limit: write '50/minute'"),
        ("9" * 21 + "/day", ValueError, "is not a limit: write"),
        ("50/fortnight", ValueError, "write '50/minute'"),
        ("-5/minute", ValueError, "write '50/minute'"),
        ("5.5/minute", ValueError, "write '50/minute'"),
        ("5/minute;", ValueError, "write '50/minute'"),
        ("5/minute\n6/hour", ValueError, "write '50/minute'"),
        ("\u0665/minute", ValueError, "write '50/minute'"),
        ("0/minute", ValueError, "requests is 0: pass a whole number from 1 to 1,000,000,000"),
        ("5/0 seconds", ValueError, "window is 0"),
        ("5/2 years", ValueError, "window is .*: pass seconds, more than 0 and at most"),
        (
            50,
            TypeError,
            r"limit must be a string such as '50/minute', or a Limit\(50, 60.0\), not 50",
        ),
        (["5/minute"], TypeError, "limit must be a string such as '50/minute'"),
        (None, TypeError, "limit must be a string such as '50/minute'"),
        (
            "5/minute burst 9",
            ValueError,
            "only token_bucket has a burst, and this is sliding_window",
        ),
    ],
)
async def test_a_bad_limit_raises_an_error_with_a_good_example(
    redis: Redis, limit: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await RateLimiter(redis, algorithm="sliding_window").check_rate_limit(1, "endpoint", limit)
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ((0, 60), ValueError, "requests is 0"),
        ((True, 60), ValueError, "requests is True"),
        ((1.5, 60), ValueError, "requests is 1.5"),
        ((5, "60"), TypeError, "window must be a number of seconds, not '60'"),
        ((5, 0.0009), ValueError, "window is 0.0009: pass at least 0.001 seconds"),
        ((5, math.nan), ValueError, "window is nan"),
        ((5, math.inf), ValueError, "window is inf"),
        ((5, 60, 0), ValueError, "burst is 0"),
        ((1, 86_400, 10**9), ValueError, "need 2,777,778 years to fill up; pass a burst that"),
    ],
)
def test_limit_refuses_numbers_that_make_no_sense(
    arguments: tuple[Any, ...], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        Limit(*arguments)


@pytest.mark.anyio
async def test_numbers_of_any_whole_kind_are_plain_ones(redis: Redis) -> None:
    class Tier(enum.IntEnum):
        FREE = 5

    limit = Limit(Tier.FREE, 60, Tier.FREE)
    assert repr((limit.requests, limit.burst, str(limit))) == "(5, 5, '5/minute burst 5')"
    limiter = RateLimiter(redis)
    assert (await limiter.check_rate_limit(1, "/", limit)).remaining == 4
    assert (await limiter.check_rate_limit(1, "/", "9/day", cost=Tier.FREE)).remaining == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"algorithm": "leaky"},
            "choose one of fixed_window, sliding_log, sliding_window, token_bucket",
        ),
        ({"on_error": "raise"}, "choose allow or deny"),
        ({"namespace": ""}, "without braces"),
        ({"namespace": "a{b}"}, "without braces"),
    ],
)
def test_limiter_refuses_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RateLimiter(Redis(), **options)


@pytest.mark.anyio
@pytest.mark.parametrize("user", [None, True, "", 1.5, b"1"])
async def test_a_user_id_is_a_number_or_a_string(redis: Redis, user: Any) -> None:
    with pytest.raises(TypeError, match="user_id must be a whole number or a non-empty string"):
        await RateLimiter(redis).check_rate_limit(user, "endpoint", "5/minute")


# --- without Redis ---


@pytest.fixture
async def server_and_client(
    server_to_break: redis_server.RedisServer,
) -> AsyncIterator[tuple[redis_server.RedisServer, Redis]]:
    """A server that a test may break, and a client of it.

    On a busy machine, the default time limit could grow beyond the time for which Redis is paused.
    """
    client = redis_client.connect(server_to_break.url, time_limit=0.08)
    yield server_to_break, client
    await client.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("broken", ["kill", "pause"])
@pytest.mark.parametrize("on_error", ["allow", "deny"])
async def test_while_redis_is_unavailable_on_error_decides(
    server_and_client: tuple[redis_server.RedisServer, Redis],
    on_error: Any,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, client = server_and_client
    limiter = RateLimiter(client, on_error=on_error)
    assert await limiter.check_rate_limit(1, "endpoint", "5/minute")
    getattr(server, broken)()
    checks = [limiter.check_rate_limit(1, "endpoint", "5/minute; 3/hour") for _ in range(30)]
    decisions = await asyncio.gather(*checks)
    expected = {
        "allow": Decision(True, 3, 3, 0.0, 0.0),
        "deny": Decision(False, 3, 0, 1.0, 1.0),
    }
    assert set(decisions) == {expected[on_error]}
    assert await limiter.get_rate_limit_info(1) == {}
    assert levels_of_redis_log(caplog) == ["WARNING"]


@pytest.mark.anyio
@pytest.mark.parametrize("broken", ["kill", "pause"])
@pytest.mark.parametrize("on_error", ["allow", "deny"])
async def test_no_decision_fails_while_redis_breaks_under_traffic_and_limits_hold_again_after(
    server_and_client: tuple[redis_server.RedisServer, Redis],
    on_error: Any,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    server, client = server_and_client
    limiter = RateLimiter(client, on_error=on_error)
    ended = asyncio.Event()
    decisions: list[Decision] = []

    async def user(number: int) -> None:
        while not ended.is_set():
            decisions.append(await limiter.check_rate_limit(number, "endpoint", "1000000/day"))
            await asyncio.sleep(0.005)

    async def break_and_repair() -> None:
        await asyncio.sleep(0.3)
        getattr(server, broken)()
        while not levels_of_redis_log(caplog):  # on a busy machine it takes longer to notice
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        server.restart() if broken == "kill" else server.resume()
        await asyncio.sleep(1.5)
        ended.set()

    async with asyncio.timeout(60):
        await asyncio.gather(break_and_repair(), *[user(number) for number in range(20)])
    assert len(decisions) > 500
    assert all(decisions) == (on_error == "allow")
    for _ in range(500):
        if (await limiter.check_rate_limit("back", "endpoint", "5/day")).remaining == 0:
            break
        await asyncio.sleep(0.01)
    assert not await limiter.check_rate_limit("back", "endpoint", "5/day")
    assert levels_of_redis_log(caplog) == ["WARNING", "INFO"], "unavailable, and back again"


def levels_of_redis_log(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.name == "course_lib.redis_client"]
    return [record.levelname for record in records]
