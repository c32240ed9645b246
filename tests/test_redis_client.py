"""A broken Redis costs a request little: commands wait, time out, or are rejected by a breaker."""

import asyncio
import contextlib
import logging
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ResponseError
from redis_cluster import Node

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server
from course_lib.limiter import RateLimiter
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script, outage_log
from tests.traced_process import trace

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(server_to_break: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client = redis_client.connect(server_to_break.url, max_connections=2)
    yield client
    await client.aclose()


async def errors(call: Callable[[], Awaitable[object]], count: int) -> list[str]:
    """Make a call `count` times, one after another, and return the messages of RedisUnavailable."""
    messages = []
    for _ in range(count):
        with pytest.raises(RedisUnavailable) as caught:
            await call()
        messages.append(str(caught.value))
    return messages


async def test_a_command_waits_for_a_free_connection_and_is_not_rejected(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 0.5
    calls = [breaker.call(redis.blpop, "nothing", timeout=0.1) for _ in range(20)]
    # Ten times the wait of one command, on two connections: more than twice the time limit.
    assert await asyncio.gather(*calls) == [None] * 20
    assert not breaker.is_open


async def test_clients_of_one_pool_share_their_breaker(redis: Redis) -> None:
    other = Redis.from_pool(redis.connection_pool)
    assert CircuitBreaker.of(other) is CircuitBreaker.of(redis)


@pytest.mark.parametrize("broken", ["kill", "pause"])
async def test_after_three_failures_the_breaker_rejects_at_once_and_retries_a_second_later(
    redis: Redis,
    server_to_break: redis_server.RedisServer,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.set, "key", "value")
    getattr(server_to_break, broken)()
    messages = await errors(lambda: breaker.call(redis.get, "key"), 6)
    assert ["retrying within 1 s" in message for message in messages] == [False] * 3 + [True] * 3
    server_to_break.restart() if broken == "kill" else server_to_break.resume()
    assert "retrying within 1 s" in (await errors(lambda: breaker.call(redis.get, "key"), 1))[0]
    await asyncio.sleep(1.05)
    assert await breaker.call(redis.get, "key") == (None if broken == "kill" else b"value")
    assert not breaker.is_open
    log_lines = [record.message.split(" (")[0] for record in caplog.records]
    assert log_lines == ["Redis is unavailable", "Redis is back"]


@pytest.mark.parametrize("quiet", [math.inf, 0.0])
async def test_an_outage_soon_after_another_is_not_logged_and_neither_is_its_end(
    redis: Redis,
    server_to_break: redis_server.RedisServer,
    quiet: float,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage_log, "QUIET", quiet)
    caplog.set_level(logging.INFO)
    breaker = CircuitBreaker.of(redis)
    breaker.retry_after = 0.01
    for _ in range(2):
        server_to_break.kill()
        await errors(lambda: breaker.call(redis.get, "key"), 6)
        server_to_break.restart()
        while breaker.is_open:
            await asyncio.sleep(0.02)
            with contextlib.suppress(RedisUnavailable):
                await breaker.call(redis.get, "key")
    log_lines = [record.message.split(" (")[0] for record in caplog.records]
    assert log_lines == ["Redis is unavailable", "Redis is back"] * (1 if quiet else 2)


async def test_an_open_breaker_lets_one_command_through_as_a_trial(
    redis: Redis, server_to_break: redis_server.RedisServer
) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.retry_after = 0.2
    server_to_break.kill()
    await errors(lambda: breaker.call(redis.get, "key"), 3)
    await asyncio.sleep(0.25)
    calls = [breaker.call(redis.get, "key") for _ in range(20)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, RedisUnavailable) for result in results)
    assert sum("retrying within 0.2 s" not in str(result) for result in results) == 1


async def test_waiting_commands_are_rejected_as_soon_as_the_breaker_opens(
    redis: Redis, server_to_break: redis_server.RedisServer
) -> None:
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.ping)
    server_to_break.pause()
    start = time.monotonic()
    calls = [breaker.call(redis.get, "key") for _ in range(200)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    seconds = time.monotonic() - start
    assert all(isinstance(result, RedisUnavailable) for result in results)
    assert seconds < 200 / 2 * breaker.time_limit / 4, "they timed out one after another"


async def test_a_busy_process_does_not_take_redis_to_be_unavailable(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    await breaker.call(redis.set, "key", "value")
    call = asyncio.create_task(breaker.call(redis.get, "key"))
    await asyncio.sleep(0)
    time.sleep(0.5)
    assert await call == b"value"


async def test_a_busy_process_can_open_many_connections_at_once(
    server_to_break: redis_server.RedisServer,
) -> None:
    redis = redis_client.connect(server_to_break.url)

    async def busy() -> None:
        for _ in range(40):
            time.sleep(0.03)
            await asyncio.sleep(0)

    calls = [CircuitBreaker.of(redis).call(redis.get, "key") for _ in range(100)]
    *results, _ = await asyncio.gather(*calls, busy())
    assert results == [None] * 100
    await redis.aclose()


async def test_cancelled_callers_hold_no_slots(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 0.5
    calls = [
        asyncio.create_task(breaker.call(redis.blpop, "nothing", timeout=0.1)) for _ in range(8)
    ]
    await asyncio.sleep(0.01)
    for call in calls[1::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[::2] == [None] * 4
    assert await asyncio.gather(*[breaker.call(redis.ping) for _ in range(10)]) == [True] * 10


async def test_a_wrong_command_is_the_callers_error_and_no_failure_of_redis(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    await redis.set("key", "value")
    for _ in range(5):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await breaker.call(redis.sadd, "key", 1)
    assert not breaker.is_open


async def test_a_call_within_another_is_an_error_and_takes_no_second_slot(redis: Redis) -> None:
    breaker = CircuitBreaker.of(redis)
    for call in (run_release, RateLimiter(redis).reset, Cache(redis, namespace="c", ttl=1).get):
        nested = [breaker.call(call, redis if call is run_release else "key") for _ in range(5)]
        for error in await asyncio.gather(*nested, return_exceptions=True):
            assert isinstance(error, RuntimeError)
            assert "call them directly" in str(error)
    assert await run_release(redis) == 0


async def test_a_script_is_sent_in_full_only_to_a_server_without_it(redis: Redis) -> None:
    script = Script("course_lib.cache", "release")
    await redis.set("key", "lease")
    assert await script.run(redis, ["key"], "another") == 0
    await redis.script_flush()
    assert await script.run(redis, ["key"], "lease") == 1
    statistics = await redis.info("commandstats")
    evals, evalshas = (statistics[f"cmdstat_{name}"]["calls"] for name in ("eval", "evalsha"))
    assert (evals, evalshas) == (2, 2)


@pytest.mark.parametrize("traces", ["all clients", "one client"])
async def test_a_tracer_that_replaces_execute_command_sees_our_commands(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, traces: str
) -> None:
    names: list[str] = []
    target = Redis if traces == "all clients" else redis
    monkeypatch.setattr(target, "execute_command", target.execute_command)  # undone at the end
    trace(target, names)
    await run_release(redis)
    assert names == ["EVALSHA", "EVAL"]


def test_a_tracer_that_was_there_before_our_import_sees_them_too(
    server_to_break: redis_server.RedisServer,
) -> None:
    command = [sys.executable, "-m", "tests.traced_process", server_to_break.url]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["EVALSHA", "EVAL"]


@pytest.fixture
async def client_of_ten(server_to_break: redis_server.RedisServer) -> AsyncIterator[Redis]:
    """A client with ten connections, of which its breaker keeps up to two idle for scripts."""
    client = redis_client.connect(server_to_break.url, max_connections=10)
    yield client
    await client.aclose()


async def run_release(redis: Redis, key: str = "key") -> object:
    script = Script("course_lib.cache", "release")
    return await script.run(redis, [key], "lease")


async def test_idle_connections_for_scripts_do_not_block_other_commands(
    client_of_ten: Redis,
) -> None:
    redis = client_of_ten
    breaker = CircuitBreaker.of(redis)
    breaker.time_limit = 0.5
    assert await asyncio.gather(*[run_release(redis) for _ in range(50)]) == [0] * 50
    commands = [breaker.call(redis.blpop, "nothing", timeout=0.1) for _ in range(24)]
    scripts = [run_release(redis) for _ in range(50)]
    assert await asyncio.gather(*commands, *scripts) == [None] * 24 + [0] * 50
    assert not breaker.is_open
    assert len(await redis.client_list()) <= 10


@pytest.mark.parametrize("options", [{}, {"socket_timeout": 3}])
async def test_other_commands_keep_the_timeout_of_their_connections(
    server_to_break: redis_server.RedisServer, options: dict[str, Any]
) -> None:
    async def timeout(pool: ConnectionPool) -> float | None:
        connection = await pool.get_connection()
        await pool.release(connection)
        return connection.socket_timeout

    async with Redis.from_url(server_to_break.url, max_connections=4, **options) as redis:
        before = await timeout(redis.connection_pool)
        await run_release(redis)
        assert await timeout(redis.connection_pool) == before


async def test_an_idle_connection_that_the_server_closed_is_reopened_without_a_failure(
    client_of_ten: Redis,
    server_to_break: redis_server.RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await run_release(client_of_ten)
    server_to_break.restart()
    await asyncio.sleep(0.05)
    assert await run_release(client_of_ten) == 0
    assert not CircuitBreaker.of(client_of_ten).is_open
    assert caplog.records == []


async def test_a_connection_over_tcp_that_the_server_closed_is_reopened_without_a_failure(
    tmp_path: Path,
) -> None:
    node = Node(tmp_path)
    redis = redis_client.connect(f"redis://127.0.0.1:{node.port}")
    breaker = CircuitBreaker.of(redis)
    for _ in range(3):
        assert await breaker.call(redis.get, "key") is None
        assert await run_release(redis) == 0
        node.client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.02)
    assert not breaker.has_failed
    await redis.aclose()
    node.kill()


async def test_no_script_gets_the_reply_to_a_cancelled_one(client_of_ten: Redis) -> None:
    leases = {f"key {number}": "lease" if number % 2 else "other" for number in range(400)}
    await client_of_ten.mset(leases)
    calls = [asyncio.create_task(run_release(client_of_ten, key)) for key in leases]
    for number, call in enumerate(calls):
        if number % 7 == 0:
            await asyncio.sleep(0.0002)
            call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    replies = {
        number: result
        for number, result in enumerate(results)
        if not isinstance(result, BaseException)
    }
    assert len(replies) > 300
    assert all(reply == number % 2 for number, reply in replies.items())


async def test_closing_a_client_closes_its_idle_connections(
    client_of_ten: Redis, server_to_break: redis_server.RedisServer
) -> None:
    await asyncio.gather(*[run_release(client_of_ten) for _ in range(20)])
    await client_of_ten.aclose()
    other = redis_client.connect(server_to_break.url)
    assert len(await other.client_list()) == 1
    await other.aclose()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("time_limit", -1),
        ("time_limit", 0),
        ("time_limit", math.nan),
        ("connect_timeout", 0),
        ("retry_after", -1),
        ("failures", 0),
        ("failures", 2.5),
        ("max_connections", 0),
        ("max_connections", "50"),
    ],
)
async def test_an_option_that_makes_no_sense_is_an_error_at_once(option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=option):
        redis_client.connect("redis://localhost", **{option: value})
