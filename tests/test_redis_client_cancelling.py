"""A cancelled call ends as cancelled, whatever the command was doing; nothing loses the request."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script

pytestmark = [pytest.mark.anyio, pytest.mark.timed]

RELEASE = Script("course_lib.cache", "release")


@pytest.fixture
async def redis(own_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client = redis_client.connect(own_server.url)
    yield client
    await client.aclose()


async def repeat(call: Callable[[], Awaitable[object]]) -> None:
    """Make a call again and again, as a background task does; it ends only if it's cancelled."""
    while True:
        try:
            await call()
        except RedisUnavailable:
            await asyncio.sleep(0)


async def is_cancelled_at_once(task: asyncio.Task[None]) -> bool:
    """Cancel a task, and return False if it's still running a second later."""
    task.cancel()
    await asyncio.wait([task], timeout=1)
    has_ended = task.cancelled()
    task.cancel()
    return has_ended


@pytest.mark.parametrize("kind", ["command", "script"])
async def test_a_call_can_be_cancelled_at_each_step_of_the_event_loop(
    redis: Redis, kind: str
) -> None:
    breaker = CircuitBreaker.of(redis)

    async def call() -> None:
        if kind == "command":
            await breaker.call(redis.get, "key")
        else:
            await RELEASE.run(redis, ["key"], "lease")

    for steps in range(60):  # from the first, which connects, to those of many calls
        task = asyncio.create_task(repeat(call))
        for _ in range(steps):
            await asyncio.sleep(0)
        assert await is_cancelled_at_once(task), f"still running: cancelled after {steps} steps"
    assert await breaker.call(redis.ping)


async def test_a_call_can_be_cancelled_while_its_time_limit_ends(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url)
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.ping)
    breaker.time_limit = 0.01
    breaker.failures = 1_000_000  # so that each call runs into its time limit
    server_to_break.pause()
    for number in range(40):
        task = asyncio.create_task(repeat(lambda: breaker.call(redis.get, "key")))
        await asyncio.sleep(random.Random(number).uniform(0.008, 0.014))
        assert await is_cancelled_at_once(task)
    await redis.aclose()


async def lose_a_cancellation(result: object) -> object:
    """Return instead of ending, as `asyncio.wait_for` can before Python 3.12."""
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        if isinstance(result, Exception):
            raise result from None
    return result


@pytest.mark.parametrize("result", [1, ConnectionError(), ValueError()], ids=repr)
async def test_a_cancellation_that_the_command_lost_is_still_raised(
    redis: Redis, result: object
) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 5
    task = asyncio.create_task(breaker.call(lose_a_cancellation, result))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_limit_that_the_command_lost_ends_it_the_next_time(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 0.01

    async def lose_one_and_wait() -> None:
        await lose_a_cancellation(None)
        await asyncio.sleep(10)

    with pytest.raises(RedisUnavailable, match="no reply"):
        await breaker.call(lose_one_and_wait)
    task = asyncio.current_task()
    assert task and task.cancelling() == 0


async def test_a_cancellation_that_a_connection_lost_does_not_wait_for_its_time_limit(
    redis: Redis,
) -> None:
    breaker = CircuitBreaker.of(redis)

    async def connect() -> None:
        async with breaker.connecting():
            await lose_a_cancellation(None)
            await asyncio.sleep(10)

    task = asyncio.create_task(repeat(lambda: breaker.call(connect)))
    await asyncio.sleep(0.01)
    assert breaker.connect_timeout > 1
    assert await is_cancelled_at_once(task)
