"""Redis's troubles cost a request little: connections are waited for, commands limited, a breaker opens and closes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from course_lib import redis_client
from course_lib.lab import redis_server
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(server_to_break: redis_server.Server) -> AsyncIterator[Redis]:
    client = redis_client.connect(server_to_break.url, max_connections=2)
    yield client
    await client.aclose()


async def refusals(call: Callable[[], Awaitable[object]], count: int) -> list[str]:
    """What so many calls, one after another, are refused with."""
    said = []
    for _ in range(count):
        with pytest.raises(RedisUnavailable) as caught:
            await call()
        said.append(str(caught.value))
    return said


async def test_who_finds_no_free_connection_waits_and_is_not_refused(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 0.5
    calls = [breaker.call(redis.blpop, "nothing", timeout=0.1) for _ in range(20)]
    assert await asyncio.gather(*calls) == [None] * 20  # on two connections, twice the limit and more
    assert not breaker.is_open


async def test_clients_of_one_pool_share_their_breaker(redis: Redis) -> None:
    other = Redis.from_pool(redis.connection_pool)
    assert CircuitBreaker.of(other) is CircuitBreaker.of(redis)


@pytest.mark.parametrize("broken", ["kill", "pause"])
async def test_after_three_failures_the_breaker_refuses_at_once_and_asks_again_a_second_later(
    redis: Redis, server_to_break: redis_server.Server, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.set, "key", "value")
    getattr(server_to_break, broken)()
    said = await refusals(lambda: breaker.call(redis.get, "key"), 6)
    assert ["is not asked again" in each for each in said] == [False] * 3 + [True] * 3
    server_to_break.restart() if broken == "kill" else server_to_break.resume()
    assert "is not asked again" in (await refusals(lambda: breaker.call(redis.get, "key"), 1))[0]
    await asyncio.sleep(1.05)
    assert await breaker.call(redis.get, "key") == (None if broken == "kill" else b"value")
    assert not breaker.is_open
    assert [record.message.split(" (")[0] for record in caplog.records] == ["Redis is away", "Redis is back"]


async def test_while_the_breaker_is_open_one_command_is_let_through_as_a_trial(
    redis: Redis, server_to_break: redis_server.Server
) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.retry_after = 0.2
    server_to_break.kill()
    await refusals(lambda: breaker.call(redis.get, "key"), 3)
    await asyncio.sleep(0.25)
    answers = await asyncio.gather(*[breaker.call(redis.get, "key") for _ in range(20)], return_exceptions=True)
    assert all(isinstance(each, RedisUnavailable) for each in answers)
    assert sum("is not asked again" not in str(each) for each in answers) == 1


async def test_who_queues_for_a_connection_is_refused_as_soon_as_the_breaker_opens(
    redis: Redis, server_to_break: redis_server.Server
) -> None:
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.ping)
    server_to_break.pause()
    began = time.monotonic()
    answers = await asyncio.gather(*[breaker.call(redis.get, "key") for _ in range(200)], return_exceptions=True)
    assert all(isinstance(each, RedisUnavailable) for each in answers)
    assert time.monotonic() - began < 200 / 2 * breaker.time_limit / 4, "they did not time out one after another"


async def test_a_process_that_is_busy_itself_does_not_take_redis_to_be_away(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.set, "key", "value")
    call = asyncio.create_task(breaker.call(redis.get, "key"))
    await asyncio.sleep(0)
    time.sleep(0.5)
    assert await call == b"value"


async def test_a_busy_process_opens_many_connections_at_once_and_is_answered(
    server_to_break: redis_server.Server,
) -> None:
    redis = redis_client.connect(server_to_break.url)

    async def busy() -> None:
        for _ in range(40):
            time.sleep(0.03)
            await asyncio.sleep(0)

    calls = [CircuitBreaker.of(redis).call(redis.get, "key") for _ in range(100)]
    *answers, _ = await asyncio.gather(*calls, busy())
    assert answers == [None] * 100
    await redis.aclose()


async def test_a_caller_who_gives_up_takes_no_place(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 0.5
    calls = [asyncio.create_task(breaker.call(redis.blpop, "nothing", timeout=0.1)) for _ in range(8)]
    await asyncio.sleep(0.01)
    for call in calls[1::2]:
        call.cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers[::2] == [None] * 4
    assert await asyncio.gather(*[breaker.call(redis.ping) for _ in range(10)]) == [True] * 10


async def test_an_error_in_what_was_asked_is_the_callers_and_not_redis_away(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    await redis.set("key", "value")
    for _ in range(5):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await breaker.call(redis.sadd, "key", 1)
    assert not breaker.is_open


async def test_a_redis_without_room_refuses_a_command_and_is_not_held_to_be_away(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    await redis.config_set("maxmemory", "1")
    said = await refusals(lambda: breaker.call(redis.set, "key", "value"), 5)
    assert all(each.startswith("Redis refuses: ") for each in said)
    assert await breaker.call(redis.get, "key") is None


async def test_a_script_is_sent_in_full_to_a_server_that_does_not_know_it_and_by_its_name_after(redis: Redis) -> None:
    script = Script("course_lib.cache", "release")
    await redis.set("key", "lease")
    assert await script.run(redis, ["key"], "another") == 0
    await redis.script_flush()
    assert await script.run(redis, ["key"], "lease") == 1
    statistics = await redis.info("commandstats")
    assert (statistics["cmdstat_eval"]["calls"], statistics["cmdstat_evalsha"]["calls"]) == (2, 2)


@pytest.fixture
async def keeping(server_to_break: redis_server.Server) -> AsyncIterator[Redis]:
    """A client whose breaker keeps two of its ten connections."""
    client = redis_client.connect(server_to_break.url, max_connections=10)
    yield client
    await client.aclose()


async def run_release(redis: Redis, key: str = "key") -> object:
    return await CircuitBreaker.of(redis).call(Script("course_lib.cache", "release").run, redis, [key], "lease")


async def test_connections_that_are_kept_for_scripts_keep_nobody_from_the_others(keeping: Redis) -> None:
    breaker = CircuitBreaker.of(keeping)
    breaker.time_limit = 0.5
    assert await asyncio.gather(*[run_release(keeping) for _ in range(50)]) == [0] * 50
    waiting = [breaker.call(keeping.blpop, "nothing", timeout=0.1) for _ in range(24)]
    scripts = [run_release(keeping) for _ in range(50)]
    assert await asyncio.gather(*waiting, *scripts) == [None] * 24 + [0] * 50
    assert not breaker.is_open
    assert len(await keeping.client_list()) <= 10


async def test_a_kept_connection_that_the_server_has_closed_is_made_anew_and_no_failure(
    keeping: Redis, server_to_break: redis_server.Server, caplog: pytest.LogCaptureFixture
) -> None:
    await run_release(keeping)
    server_to_break.restart()
    await asyncio.sleep(0.05)
    assert await run_release(keeping) == 0
    assert not CircuitBreaker.of(keeping).is_open
    assert caplog.records == []


async def test_no_script_gets_the_reply_to_one_that_was_cancelled(keeping: Redis) -> None:
    await keeping.mset({f"key {number}": "lease" if number % 2 else "other" for number in range(400)})
    calls = [asyncio.create_task(run_release(keeping, f"key {number}")) for number in range(400)]
    for number, call in enumerate(calls):
        if number % 7 == 0:
            await asyncio.sleep(0.0002)
            call.cancel()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    told = [(number, reply) for number, reply in enumerate(replies) if not isinstance(reply, BaseException)]
    assert len(told) > 300
    assert [reply for _, reply in told] == [number % 2 for number, _ in told]


async def test_what_is_kept_is_closed_with_its_client(keeping: Redis, server_to_break: redis_server.Server) -> None:
    await asyncio.gather(*[run_release(keeping) for _ in range(20)])
    await keeping.aclose()
    other = redis_client.connect(server_to_break.url)
    assert len(await other.client_list()) == 1
    await other.aclose()
