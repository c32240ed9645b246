"""The limiter's state in Redis: costs, resets, foreign content, and a mode that only reports."""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.limiter import Algorithm, Decision, Limit, RateLimiter, too_many_requests
from course_lib.limiter.headers import rate_limit_headers
from course_lib.redis_client import RedisUnavailable
from tests.conftest import empty_client

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
START = 1_700_000_000.0
MICROSECOND = 1e-6
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def redis(own_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    async with empty_client(own_server) as client:
        yield client


class Clock:
    """A clock set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


# --- costs ---


@pytest.mark.anyio
@each_algorithm
async def test_a_cost_uses_up_that_many_requests(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm, clock=Clock())
    remaining = [
        (await limiter.check_rate_limit(1, "/", "10/hour", cost=cost)).remaining
        for cost in (3, 1, 4)
    ]
    assert remaining == [7, 6, 2]
    rejected = await limiter.check_rate_limit(1, "/", "10/hour", cost=3)
    assert (rejected.allowed, rejected.remaining) == (False, 2)
    assert (await limiter.check_rate_limit(1, "/", "10/hour", cost=2)).remaining == 0


@pytest.mark.anyio
@each_algorithm
async def test_after_a_rejected_cost_retry_after_is_exact(
    redis: Redis, algorithm: Algorithm
) -> None:
    clock, dice = Clock(), random.Random(3)
    limiter = RateLimiter(redis, algorithm=algorithm, clock=clock)

    async def check(cost: int) -> Any:
        return await limiter.check_rate_limit(1, "/", "10/minute; 25 per 2 minutes", cost=cost)

    rejections = 0
    for _ in range(150):
        clock.now = round(clock.now + dice.choice([0, 1, 7, 30]), 6)
        cost = dice.randint(1, 10)
        decision = await check(cost)
        if decision:
            continue
        rejections += 1
        clock.now = round(clock.now + decision.retry_after - 2 * MICROSECOND, 6)
        assert not await check(cost)
        clock.now = round(clock.now + 2 * MICROSECOND, 6)
        decision = await check(cost)
        while not decision:  # the other limit may need longer
            clock.now = round(clock.now + decision.retry_after, 6)
            decision = await check(cost)
    assert rejections > 20


@pytest.mark.anyio
@each_algorithm
async def test_a_cost_above_a_limit_takes_the_whole_of_it(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm, clock=Clock())
    assert (await limiter.check_rate_limit(1, "/", "10/hour", cost=500)).remaining == 0
    rejected = await limiter.check_rate_limit(1, "/", "10/hour", cost=500)
    assert 0 < rejected.retry_after <= 2 * 3600


@pytest.mark.anyio
@each_algorithm
async def test_a_cost_of_zero_spends_nothing_and_reports_what_is_left(
    redis: Redis, algorithm: Algorithm
) -> None:
    clock = Clock()
    limiter = RateLimiter(redis, algorithm=algorithm, clock=clock)

    async def check(cost: int) -> Decision:
        return await limiter.check_rate_limit(1, "/", "2/minute", cost=cost)

    assert await check(0) == (True, 2, 2, 0.0, 0.0)
    assert await redis.keys() == []
    spent = await check(2)
    assert await check(0) == spent._replace(retry_after=0.0)
    assert not await check(1)
    clock.now -= 61  # the counters of the window that comes again are beyond the limit
    assert await check(0)


@pytest.mark.anyio
async def test_what_is_no_cost_is_refused(redis: Redis) -> None:
    limiter = RateLimiter(redis, algorithm="sliding_log")
    for cost, words in ((-1, "cost is -1"), (1.5, "cost is 1.5"), (1001, "use token_bucket")):
        with pytest.raises(ValueError, match=words):
            await limiter.check_rate_limit(1, "/", "10/hour", cost=cost)  # type: ignore[arg-type]


# --- who a user is, and giving their requests back ---


@pytest.mark.anyio
@each_algorithm
async def test_a_reset_gives_one_user_everything_back(redis: Redis, algorithm: Algorithm) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    user = uuid.uuid4()

    async def spend(user_id: Any) -> list[int]:
        checks = [("/a b", "3/day; 5 per 2 days"), ("é", "3/day"), ("é", "4/hour")]
        decisions = [await limiter.check_rate_limit(user_id, *check) for check in checks]
        return [decision.remaining for decision in decisions]

    assert await spend(user) == await spend("another") == [2, 2, 3]
    await limiter.reset(str(user))
    assert await limiter.get_rate_limit_info(user) == {}
    assert await spend(user) == [2, 2, 3]
    assert await spend("another") == [1, 1, 2]
    await limiter.reset("another")
    await limiter.reset(user)
    assert await redis.keys("*") == []


@pytest.mark.anyio
async def test_a_reset_that_did_not_happen_raises(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url)
    server_to_break.kill()
    with pytest.raises(RedisUnavailable):
        await RateLimiter(redis).reset(1)
    await redis.aclose()


@pytest.mark.anyio
async def test_decisions_without_redis_are_counted_by_reason(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url)
    limiter = RateLimiter(redis)
    await limiter.check_rate_limit(1, "/", "5/minute")
    assert not limiter.unavailable
    server_to_break.kill()
    for _ in range(5):
        assert await limiter.check_rate_limit(1, "/", "5/minute")
    assert await limiter.get_rate_limit_info(1) == {}
    assert limiter.unavailable == {"connection": 3, "open": 3}
    await redis.aclose()


# --- foreign content ---


@pytest.mark.anyio
@each_algorithm
@pytest.mark.parametrize(
    "foreign",
    [
        *[["SET", count] for count in ("junk", "nan", "inf", "-5", "1e99", "0x10", "1.5")],
        ["RPUSH", "junk"],
        ["RPUSH", "1", "junk"],
        ["RPUSH", "nan"],
        ["HSET", "parts", "junk", "since", "1"],
        ["HSET", "parts", "-1e300", "since", "1"],
        ["HSET", "parts", "1", "since", "nan"],
        ["SADD", "x"],
    ],
    ids=" ".join,
)
async def test_foreign_content_under_a_limit_is_reset_and_the_limit_holds_again(
    redis: Redis, algorithm: Algorithm, foreign: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm, clock=Clock())
    await limiter.check_rate_limit(1, "/", "3/day")
    (key,) = [key for key in await redis.keys("*") if b":3/" in key]
    await redis.delete(key)
    command, *values = foreign
    await redis.execute_command(command, key, *values)  # type: ignore[no-untyped-call]
    decisions = [await limiter.check_rate_limit(1, "/", "3/day") for _ in range(5)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
    assert 0 < decisions[-1].retry_after <= 2 * 86_400
    assert await redis.pttl(key) > 0
    assert len(caplog.messages) <= 1


@pytest.mark.anyio
@each_algorithm
async def test_foreign_content_in_the_index_is_removed(
    redis: Redis, algorithm: Algorithm, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm)
    index = f"{{limit:1}}:{algorithm}"
    await redis.set(index, "junk")
    assert await limiter.get_rate_limit_info(1) == {}
    assert await limiter.check_rate_limit(1, "/", "3/day")
    far = 4e18
    assert await limiter.check_rate_limit(1, "/new", "3/day")
    junk = [b"\xff", "junk", "1/2/3/4 /", "0/1 /", "1/-5 /", "5/x /", ""]
    await redis.zadd(index, dict.fromkeys(junk, far))
    for _ in range(2):
        assert sorted(await limiter.get_rate_limit_info(1)) == ["/", "/new"]
    assert len(caplog.messages) == 2 + len(junk)
    await redis.zadd(index, {"junk": 1e300})
    assert await limiter.check_rate_limit(1, "/newer", "3/day")
    for key in await redis.keys("*/newer*"):
        await redis.set(key, "junk")
    await redis.zadd(index, {"junk": 1e300})
    assert await limiter.check_rate_limit(1, "/newer", "3/day"), "with both of them damaged"
    assert all([await redis.pttl(key) > 0 for key in await redis.keys("*")])


@pytest.mark.anyio
@each_algorithm
async def test_after_a_foreign_index_a_request_counts_once_and_can_be_reset(
    redis: Redis, algorithm: Algorithm
) -> None:
    limiter = RateLimiter(redis, algorithm=algorithm, clock=Clock())
    await redis.set(f"{{limit:1}}:{algorithm}", "junk")
    for _ in range(2):
        assert (await limiter.check_rate_limit(1, "/", "3/day")).remaining == 2
        await limiter.reset(1)


@pytest.mark.anyio
async def test_names_are_utf_8_for_a_client_with_another_encoding(
    own_server: redis_server.RedisServer, redis: Redis
) -> None:
    latin = Redis(unix_socket_path=own_server.path, encoding="latin-1")
    for client in (latin, redis):
        await RateLimiter(client).check_rate_limit("ü", "/€", "5/day")
        info = await RateLimiter(client).get_rate_limit_info("ü")
        assert list(info) == ["/€"]
    assert info["/€"].remaining == 3
    await latin.aclose()


# --- limits that are only tried out ---


@pytest.mark.anyio
@each_algorithm
async def test_without_enforcing_rejections_are_only_logged_and_counted(
    redis: Redis, algorithm: Algorithm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="course_lib.limiter")
    limiter = RateLimiter(redis, algorithm=algorithm, enforce=False)
    decisions = [await limiter.check_rate_limit(1, "/events", "2/day") for _ in range(5)]
    assert all(decisions)
    assert [decision.remaining for decision in decisions] == [1, 0, 0, 0, 0]
    assert limiter.would_reject == {"/events": 3}
    assert caplog.messages == ["would reject a request to /events: 0 of 2 are left"] * 3


@pytest.mark.anyio
async def test_reported_endpoints_are_bounded(redis: Redis) -> None:
    limiter = RateLimiter(redis, enforce=False)
    limiter.would_reject.update({f"endpoint {number}": 1 for number in range(1000)})
    for endpoint in ("new", "newer", "endpoint 1"):
        for _ in range(2):
            await limiter.check_rate_limit(1, endpoint, "1/day")
    assert len(limiter.would_reject) == 1001
    assert limiter.would_reject["other endpoints"] == 2
    assert limiter.would_reject["endpoint 1"] == 2


@pytest.mark.anyio
async def test_by_default_a_client_that_keeps_to_its_rate_is_never_rejected(redis: Redis) -> None:
    clock = Clock()
    limiter = RateLimiter(redis, clock=clock)
    for _ in range(30):
        assert await limiter.check_rate_limit(1, "/", "1/second")
        clock.now += 1


# --- headers ---


@pytest.mark.anyio
async def test_the_headers_of_a_burst_agree_with_each_other(redis: Redis) -> None:
    limiter = RateLimiter(redis, algorithm="token_bucket", clock=Clock())
    for text, quota, window in (("20/minute burst 40", 40, 120), ("30/minute burst 12", 12, 24)):
        decision = await limiter.check_rate_limit(1, "/", text)
        headers = too_many_requests(decision, text)["headers"]
        remaining, reset = quota - 1, headers["X-RateLimit-Reset"]
        assert headers["X-RateLimit-Limit"] == str(quota)
        assert headers["X-RateLimit-Remaining"] == str(remaining)
        assert headers["RateLimit"] == f'"{text}";r={remaining};t={reset}'
        assert headers["RateLimit-Policy"] == f'"{text}";q={quota};w={window}'
        assert int(reset) <= window


@pytest.mark.anyio
async def test_of_two_limits_with_one_number_the_headers_name_the_stricter(redis: Redis) -> None:
    clock = Clock()
    limiter = RateLimiter(redis, algorithm="fixed_window", clock=clock)
    await limiter.check_rate_limit(1, "/", "5/minute; 5/hour")
    clock.now += 60
    decision = await limiter.check_rate_limit(1, "/", "5/minute; 5/hour")
    limits = (Limit(5, 60), Limit(5, 3600))
    assert rate_limit_headers(decision, limits)["RateLimit"].startswith('"5/hour";r=3;')


@pytest.mark.anyio
async def test_a_decision_sends_nothing_more_for_features_that_are_not_used(redis: Redis) -> None:
    sent: list[Any] = []

    class Recording(Redis):
        async def execute_command(self, *command: Any, **options: Any) -> Any:
            sent.append(command)
            return await super().execute_command(*command, **options)

    client = Recording.from_pool(redis.connection_pool)
    await RateLimiter(client, algorithm="fixed_window").check_rate_limit(1, "/", "5/day")
    await asyncio.sleep(0)
    name, _, keys, index, state, *arguments = sent[-1]
    assert (name[:4], keys) == ("EVAL", 2)
    assert state.startswith(index + b":5/86400000000:/")
    assert arguments == [b"", b"5/86400000000 /", 5, 86_400_000_000, 5]


@pytest.mark.anyio
async def test_no_user_can_spend_the_limit_of_another_namespace(redis: Redis) -> None:
    """Check, because a user's name may be anything that a client sends."""
    outer = RateLimiter(redis, namespace="shop", algorithm="fixed_window")
    inner = RateLimiter(redis, namespace="shop:api", algorithm="fixed_window")
    assert await outer.check_rate_limit("api:42", "/", "1/day")
    assert await inner.check_rate_limit(42, "/", "1/day")
    await inner.reset(42)
    assert not await outer.check_rate_limit("api:42", "/", "1/day")
