"""The limiter keeps its promises on real servers: by slow models of it, across processes, with Redis away."""

import asyncio
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
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.crc import key_slot

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.limiter import Algorithm, Decision, Limit, RateLimiter, parse
from course_lib.limiter.limits import SECONDS

HELPER = Path(__file__).with_name("limiter_in_a_process.py")
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
SECOND = 1_000_000  # all that the models count in is microseconds
START = 1_700_000_000 * SECOND
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


class CountingRedis(Redis):
    """A client that notes what it sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: list[str] = []

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        self.sent.append(command[0])
        return await super().execute_command(*command, **options)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def redis(any_server: redis_server.Server) -> AsyncIterator[CountingRedis]:
    client = CountingRedis.from_pool(redis_client.pool(any_server.url))
    await client.flushall()
    yield client
    await client.aclose()


class Clock:
    """A clock that is turned by hand, in microseconds; it gives seconds."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now / SECOND


def turned(redis: Redis, algorithm: Algorithm, **options: Any) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(redis, algorithm=algorithm, clock=clock, **options), clock


# --- the algorithms, each against a slow model of it that remembers every request -------------------------------------


class Model:
    """All that an algorithm says is how many requests it would let through at a moment; the rest follows by trying."""

    def __init__(self, requests: int, window: int, burst: int | None) -> None:
        self.requests, self.window, self.burst = requests, window, burst or requests
        self.admitted: list[int] = []

    def free(self, now: int) -> int:
        raise NotImplementedError

    def wait_until(self, holds: Callable[[int], bool], now: int) -> int:
        """The shortest wait after which this holds; it goes on to hold, for nobody else comes."""
        low, high = -1, 3 * self.window * (1 + self.burst // self.requests)
        assert holds(now + high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(now + middle) else (middle, high)
        return high

    def told(self, now: int) -> tuple[int, int, int]:
        """What is left, and how long until all of it is there and until some is."""
        all_free = self.wait_until(lambda moment: self.spent(moment) == 0, now)
        return self.free(now), all_free, self.wait_until(lambda moment: self.free(moment) > 0, now)

    def spent(self, now: int) -> Fraction:
        raise NotImplementedError


class FixedWindow(Model):
    def spent(self, now: int) -> Fraction:
        return Fraction(sum(moment // self.window == now // self.window for moment in self.admitted))

    def free(self, now: int) -> int:
        return math.floor(self.requests - self.spent(now))


class SlidingLog(FixedWindow):
    def spent(self, now: int) -> Fraction:
        return Fraction(sum(moment > now - self.window for moment in self.admitted))


class SlidingWindow(FixedWindow):
    def spent(self, now: int) -> Fraction:
        counts = Counter(moment // self.window for moment in self.admitted)
        number = now // self.window
        return counts[number] + counts[number - 1] * Fraction(self.window - now % self.window, self.window)


class TokenBucket(FixedWindow):
    def spent(self, now: int) -> Fraction:
        spent, before = Fraction(0), START
        for moment in [*self.admitted, now]:
            spent = max(Fraction(0), spent - Fraction((moment - before) * self.requests, self.window))
            spent, before = spent + 1, moment
        return spent - 1  # the last was only asked about

    def free(self, now: int) -> int:
        return math.floor(self.burst - self.spent(now))


MODELS = dict(zip(ALGORITHMS, (FixedWindow, SlidingLog, SlidingWindow, TokenBucket), strict=True))

Rules = list[tuple[int, int, int | None]]  # requests, seconds, burst


@pytest.fixture(scope="module")
def run(any_server: redis_server.Server) -> Iterator[Callable[[Callable[[Redis], Awaitable[None]]], None]]:
    """Run what is given a client, in one event loop for all examples."""
    with asyncio.Runner() as runner:
        client = redis_client.connect(any_server.url)
        yield lambda body: runner.run(body(client))  # type: ignore[arg-type]
        runner.run(client.aclose())


_users = itertools.count()
rules = st.lists(
    st.tuples(st.integers(1, 8), st.sampled_from([60, 77, 300, 3600]), st.integers(1, 12)),
    min_size=1,
    max_size=3,
    unique_by=lambda rule: rule[1],
)
# Mostly short gaps, so that limits are met; "wait" and "early" come when told, and a microsecond before.
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
@settings(max_examples=60, deadline=None)
@given(rules=rules, gaps=gaps)
def test_over_random_schedules_each_decision_is_that_of_a_slow_model(
    run: Any, algorithm: Algorithm, rules: Rules, gaps: list[int | str]
) -> None:
    bursts = algorithm == "token_bucket"
    models = [MODELS[algorithm](n, seconds * SECOND, burst if bursts else None) for n, seconds, burst in rules]
    text = "; ".join(f"{n} per {seconds} seconds" + f" burst {burst}" * bursts for n, seconds, burst in rules)

    async def compare(redis: Redis) -> None:
        limiter, clock = turned(redis, algorithm)
        user = next(_users)
        decision = Decision(True, 1, 1, 0.0, 0.0)
        for gap in gaps:
            wait = round(decision.retry_after * SECOND)
            window = models[0].window
            to_boundary = window - clock.now % window
            named = {"wait": wait, "early": wait - 1, "boundary": to_boundary, "before boundary": to_boundary - 1}
            clock.now += max(named[gap] if isinstance(gap, str) else gap, 0)
            told = [model.told(clock.now) for model in models]
            admitted = all(left > 0 for left, _, _ in told)
            if admitted:
                for model in models:
                    model.admitted.append(clock.now)
                told = [(*model.told(clock.now)[:2], 0) for model in models]
            decision = await limiter.check_rate_limit(user, "endpoint", text)
            found = decision.remaining, round(decision.reset_after * SECOND), round(decision.retry_after * SECOND)
            assert found == min(told, key=lambda each: (each[0], -each[2], -each[1]))
            assert decision.allowed == bool(decision) == admitted
            assert decision.limit in [model.requests for model, each in zip(models, told, strict=True) if each == found]

    run(compare)


@each_algorithm
@settings(max_examples=60, deadline=None)
@given(spent_at=st.integers(0, 60 * SECOND), back=st.integers(0, 400 * SECOND))
def test_a_clock_that_is_set_back_locks_nobody_out(run: Any, algorithm: Algorithm, spent_at: int, back: int) -> None:
    async def set_back(redis: Redis) -> None:
        limiter, clock = turned(redis, algorithm)
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


@pytest.mark.anyio
@each_algorithm
async def test_a_clock_that_is_set_back_by_seconds_gives_nothing_away(redis: Redis, algorithm: Algorithm) -> None:
    limiter, clock = turned(redis, algorithm)
    clock.now += 59 * SECOND - START % (60 * SECOND)
    assert [bool(await limiter.check_rate_limit(1, "endpoint", "3/minute")) for _ in range(4)] == [True] * 3 + [False]
    clock.now -= 30 * SECOND
    assert not await limiter.check_rate_limit(1, "endpoint", "3/minute")


# What LESSONS and the docstring say of "100/minute": the most in some minute, and in some second.
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("algorithm", "most"), [("fixed_window", 200), ("sliding_log", 100), ("sliding_window", 199), ("token_bucket", 199)]
)
async def test_the_most_that_pass_in_some_minute_are_what_the_docstring_says(
    redis: Redis, algorithm: Algorithm, most: int
) -> None:
    limiter, clock = turned(redis, algorithm)
    clock.now += 60 * SECOND - START % (60 * SECOND)  # a window's start
    admitted = []
    end = 60 if algorithm == "fixed_window" else 59.99
    for moment in [*[59.99] * 100, *[60 + 0.05 * number for number in range(1200)], *[59.989 + end] * 100]:
        clock.now = max(clock.now, START // (60 * SECOND) * 60 * SECOND + 60 * SECOND + round(moment * SECOND))
        if await limiter.check_rate_limit(1, "endpoint", "100/minute"):
            admitted.append(clock.now)
    in_some_minute = [sum(first <= moment < first + 60 * SECOND for moment in admitted) for first in admitted]
    assert max(in_some_minute) == most


# --- exactness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["fixed_window", "sliding_log", "sliding_window"])
def test_from_eight_processes_exactly_the_limit_passes(any_server: redis_server.Server, algorithm: Algorithm) -> None:
    name = f"exact {algorithm} {time.monotonic_ns()}"
    results = in_processes(8, any_server.url, algorithm, name, "100/day", 0)
    assert sum(result["admitted"] for result in results) == 100
    assert sum(result["asked"] for result in results) == 8 * 200


def test_from_eight_processes_a_bucket_passes_its_burst_and_what_it_refilled(any_server: redis_server.Server) -> None:
    name = f"exact bucket {time.monotonic_ns()}"
    results = in_processes(8, any_server.url, "token_bucket", name, "50/second burst 100", 1.5)
    refilled = sum(result["admitted"] for result in results) - 100
    longest = max(result["ended"] for result in results) - min(result["began"] for result in results)
    shortest = max(result["last"] for result in results) - min(result["told"] for result in results)
    assert 50 * shortest - 1 <= refilled <= 50 * longest


def in_processes(count: int, *arguments: object) -> list[dict[str, Any]]:
    command = [sys.executable, str(HELPER), *map(str, (count, *arguments))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    results = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return [json.loads(result) for result in results]


@pytest.mark.anyio
@each_algorithm
async def test_who_waits_as_told_by_the_servers_own_clock_gets_in(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    for number in range(15):
        limit = Limit(2 + number % 3, 0.05 + 0.01 * (number % 7))
        while decision := await limiter.check_rate_limit(number, "endpoint", limit):
            pass
        assert decision.retry_after > 0
        await asyncio.sleep(decision.retry_after)
        assert await limiter.check_rate_limit(number, "endpoint", limit)


# --- several limits ---------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@each_algorithm
async def test_of_several_limits_all_allow_or_nothing_is_counted(redis: Redis, algorithm: Algorithm) -> None:
    limiter, clock = turned(redis, algorithm)
    for _ in range(2):
        assert await limiter.check_rate_limit(1, "endpoint", "2/minute; 100/hour")
    for _ in range(20):
        decision = await limiter.check_rate_limit(1, "endpoint", "2/minute; 100/hour")
        assert (decision.allowed, decision.limit, decision.remaining) == (False, 2, 0)
    clock.now += 120 * SECOND
    for _ in range(2):
        await limiter.check_rate_limit(1, "endpoint", "2/minute; 100/hour")
    if algorithm != "token_bucket":  # it has some of its hundred back
        assert (await limiter.check_rate_limit(1, "endpoint", "100/hour")).remaining == 100 - 4 - 1


@pytest.mark.anyio
async def test_two_limits_that_say_the_same_are_one(redis: Redis) -> None:
    limiter = RateLimiter(redis)
    assert (await limiter.check_rate_limit(1, "endpoint", "5/minute; 5 per 60 seconds")).remaining == 4


# --- keys and memory --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@each_algorithm
async def test_a_decision_is_one_round_trip(redis: CountingRedis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    await limiter.check_rate_limit(1, "endpoint", "1/day; 5/day")  # the server gets to know the script
    redis.sent.clear()
    for _ in range(3):
        await limiter.check_rate_limit(1, "endpoint", "2/day; 5/day")
    assert redis.sent == ["EVALSHA"] * 3


@pytest.mark.anyio
@each_algorithm
async def test_a_refused_request_costs_no_memory(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)

    async def held() -> dict[bytes, int]:
        return {key: await redis.memory_usage(key) for key in sorted(await redis.keys("*"))}

    while await limiter.check_rate_limit(1, "endpoint", "5/day"):
        pass
    before = await held()
    for _ in range(500):
        assert not await limiter.check_rate_limit(1, "endpoint", "5/day")
        assert not await limiter.check_rate_limit(1, "endpoint", "100/hour; 5/day")
    assert await held() == before


@pytest.mark.anyio
@each_algorithm
async def test_all_keys_expire_by_themselves_and_none_before_its_time(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    await limiter.check_rate_limit(1, "endpoint", "5 per 10 seconds; 100/hour")
    keys = await redis.keys("*")
    assert len(keys) == 3
    lives = sorted([await redis.pttl(key) for key in keys])
    assert lives[0] > 0
    assert lives[-1] <= 2 * 3600 * 1000
    await redis.flushall()
    while decision := await limiter.check_rate_limit(1, "endpoint", Limit(3, 0.05)):
        pass
    assert await redis.keys("*") != []
    await asyncio.sleep(decision.reset_after + 0.15)
    assert await redis.keys("*") == []


HOSTILE = [
    *(
        "a",
        "a:b",
        "a}",
        "a}:b",
        "{a}",
        "}",
        "a}{b",
        "a b",
        "a\nb",
        "a\x00b",
        "~a",
        "é",
        "\ud800",
        "a\ud800",
        "%7d",
        "*",
    ),
    *("x" * 100, "x" * 101, "x" * 100_000, "x" * 100_001, "fixed_window", "a:fixed_window:3/60000000"),
]


@pytest.mark.anyio
@each_algorithm
async def test_hostile_identifiers_share_nothing_and_fill_nothing(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    digest = min(await keys_of(redis, limiter, "x" * 101)).decode().split(":")[1].split("}")[0]
    for user, endpoint in itertools.product([*HOSTILE, digest], HOSTILE):
        assert (await limiter.check_rate_limit(user, endpoint, "3/day; 5/hour")).remaining == 2, (user[:20], endpoint)
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
async def test_all_keys_of_a_decision_share_a_slot_of_a_cluster(
    redis: Redis, algorithm: Algorithm, user: int | str
) -> None:
    keys = await keys_of(redis, RateLimiter(redis, algorithm=algorithm), str(user))
    assert len(keys) == 3
    assert len({key_slot(key) for key in keys}) == 1


@pytest.mark.anyio
async def test_users_endpoints_namespaces_and_algorithms_do_not_meet(redis: Redis) -> None:
    for namespace, algorithm in itertools.product(("one", "other"), ALGORITHMS):
        limiter = RateLimiter(redis, algorithm=algorithm, namespace=namespace)
        for user, endpoint in itertools.product((1, 11, "1:1"), ("/a", "/a:b", "/{a}")):
            assert await limiter.check_rate_limit(user, endpoint, "1/day")
            assert not await limiter.check_rate_limit(user, endpoint, "1/day")


# --- what is left -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@each_algorithm
async def test_info_tells_by_endpoint_what_is_left_and_spends_nothing(redis: Redis, algorithm: Algorithm) -> None:
    limiter, clock = turned(redis, algorithm)
    assert await limiter.get_rate_limit_info(42) == {}
    for _ in range(3):
        await limiter.check_rate_limit(42, "/api/events", "3/minute; 100/hour")
    await limiter.check_rate_limit(42, "POST /a b", "5/minute")
    reader = RateLimiter(redis, algorithm=algorithm, clock=clock)  # another process's
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


@pytest.mark.anyio
@each_algorithm
async def test_info_knows_an_endpoint_for_as_long_as_something_is_spent_there(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter, clock = turned(redis, algorithm)
    for number in range(300):
        decision = await limiter.check_rate_limit(1, "endpoint", "3/minute; 20 per 10 minutes")
        clock.now += (number % 7) * 3 * SECOND
        info = await limiter.get_rate_limit_info(1)
        assert ("endpoint" in info) == (decision.reset_after * SECOND > (number % 7) * 3 * SECOND or len(info) == 1)
        await limiter.check_rate_limit(1, f"other {number % 5}", "5 per 2 seconds")
    assert await redis.zcard(f"{{limit:1}}:{algorithm}") <= 7


# --- limits as they are written ---------------------------------------------------------------------------------------


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
def test_limits_are_read_as_slowapi_and_limits_read_them(text: str, limits: list[Limit]) -> None:
    assert list(parse(text)) == limits


@given(st.integers(1, 10**9), st.integers(1, 300), st.sampled_from(list(SECONDS)[:4]), st.none() | st.integers(1, 99))
def test_a_limit_is_written_as_it_is_read(requests: int, many: int, unit: str, burst: int | None) -> None:
    limit = Limit(requests, many * SECONDS[unit], burst)
    assert parse(str(limit)) == (limit,)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limit", "kind", "words"),
    [
        ("", ValueError, "'50/minute', '10 per 5 seconds', or several as '5/second; 100/hour'"),
        ("50", ValueError, "'50' is not a limit: write '50/minute'"),
        ("50/fortnight", ValueError, "write '50/minute'"),
        ("-5/minute", ValueError, "write '50/minute'"),
        ("5.5/minute", ValueError, "write '50/minute'"),
        ("5/minute;", ValueError, "write '50/minute'"),
        ("5/minute\n6/hour", ValueError, "write '50/minute'"),
        ("\u0665/minute", ValueError, "write '50/minute'"),
        ("0/minute", ValueError, r"requests is 0: .* as in Limit\(50, 60.0\)"),
        ("5/0 seconds", ValueError, "window is 0"),
        ("5/2 years", ValueError, "window is .*: pass seconds, more than 0 and at most"),
        (50, TypeError, r"limit must be a string such as '50/minute', or a Limit\(50, 60.0\), not 50"),
        (["5/minute"], TypeError, "limit must be a string such as '50/minute'"),
        (None, TypeError, "limit must be a string such as '50/minute'"),
        ("5/minute burst 9", ValueError, "only token_bucket has a burst, and this is sliding_window"),
    ],
)
async def test_a_bad_limit_is_an_error_that_shows_a_good_one(
    redis: Redis, limit: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await RateLimiter(redis).check_rate_limit(1, "endpoint", limit)
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
    ],
)
def test_a_limit_that_makes_no_sense_cannot_be_made(
    arguments: tuple[Any, ...], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        Limit(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm": "leaky"}, "choose one of fixed_window, sliding_log, sliding_window, token_bucket"),
        ({"on_error": "raise"}, "choose allow or deny"),
        ({"namespace": ""}, "without braces"),
        ({"namespace": "a{b}"}, "without braces"),
    ],
)
def test_a_limiter_cannot_be_made_with_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RateLimiter(Redis(), **options)


@pytest.mark.anyio
@pytest.mark.parametrize("user", [None, True, "", 1.5, b"1"])
async def test_a_user_is_a_number_or_a_string(redis: Redis, user: Any) -> None:
    with pytest.raises(TypeError, match="user_id must be a whole number or a non-empty string"):
        await RateLimiter(redis).check_rate_limit(user, "endpoint", "5/minute")


# --- Redis away -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def lone(server_to_break: redis_server.Server) -> AsyncIterator[tuple[redis_server.Server, Redis]]:
    """A server that may be broken, and a client on it."""
    client = redis_client.connect(server_to_break.url)
    yield server_to_break, client
    await client.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("broken", ["kill", "pause"])
@pytest.mark.parametrize("on_error", ["allow", "deny"])
async def test_while_redis_is_away_the_policy_answers(
    lone: tuple[redis_server.Server, Redis], on_error: Any, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = lone
    limiter = RateLimiter(client, on_error=on_error)
    assert await limiter.check_rate_limit(1, "endpoint", "5/minute")
    getattr(server, broken)()
    decisions = await asyncio.gather(*[limiter.check_rate_limit(1, "endpoint", "5/minute; 3/hour") for _ in range(30)])
    denied = Decision(False, 3, 0, 1.0, 1.0)
    assert set(decisions) == {Decision(True, 3, 3, 0.0, 0.0) if on_error == "allow" else denied}
    assert await limiter.get_rate_limit_info(1) == {}
    assert sum("Redis is away" in record.message for record in caplog.records) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("broken", ["kill", "pause"])
@pytest.mark.parametrize("on_error", ["allow", "deny"])
async def test_no_decision_fails_while_redis_is_broken_under_traffic_and_limits_hold_again_after(
    lone: tuple[redis_server.Server, Redis], on_error: Any, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server, client = lone
    limiter = RateLimiter(client, on_error=on_error)
    stop = time.monotonic() + 2.5
    decisions: list[Decision] = []

    async def user(number: int) -> None:
        while time.monotonic() < stop:
            decisions.append(await limiter.check_rate_limit(number, "endpoint", "1000000/day"))
            await asyncio.sleep(0.005)

    async def breaks() -> None:
        await asyncio.sleep(0.3)
        getattr(server, broken)()
        await asyncio.sleep(0.5)
        server.restart() if broken == "kill" else server.resume()

    await asyncio.gather(breaks(), *[user(number) for number in range(20)])
    assert len(decisions) > 500
    assert all(decisions) == (on_error == "allow")
    for _ in range(500):
        if (await limiter.check_rate_limit("back", "endpoint", "5/day")).remaining == 0:
            break
        await asyncio.sleep(0.01)
    assert not await limiter.check_rate_limit("back", "endpoint", "5/day")
    said = [record.message for record in caplog.records if record.name == "course_lib.redis_client"]
    assert [line.split(" (")[0] for line in said] == ["Redis is away", "Redis is back"]
