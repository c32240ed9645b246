"""A primary behind a sentinel is killed, paused or demoted, and the client follows."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError
from redis_cluster import SentinelGroup

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.limiter import RateLimiter
from course_lib.redis_client import CircuitBreaker, RedisUnavailable

pytestmark = [pytest.mark.anyio, pytest.mark.timed]


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelGroup]:
    running = SentinelGroup(tmp_path_factory.mktemp("sentinel"))
    yield running
    running.stop()


@pytest.fixture
async def redis(group: SentinelGroup) -> AsyncIterator[Redis]:
    client = redis_client.connect(group.url, retry_after=0.1)
    yield client
    await client.aclose()


async def test_the_sentinels_name_the_primary(redis: Redis, group: SentinelGroup) -> None:
    await redis_client.verify(redis)
    cache = Cache(redis)
    await cache.set("key", 1)
    assert await cache.get("key") == 1
    checks = [RateLimiter(redis).check_rate_limit("user", "/", "40/hour") for _ in range(50)]
    assert sum(decision.allowed for decision in await asyncio.gather(*checks)) == 40


def test_one_event_loop_after_another(group: SentinelGroup) -> None:
    redis = redis_client.connect(f"{group.url}/1")
    limiter = RateLimiter(redis, algorithm="fixed_window", on_error="deny")

    async def is_allowed() -> bool:
        return (await limiter.check_rate_limit("loops", "/", "2/hour")).allowed

    assert [asyncio.run(is_allowed()) for _ in range(3)] == [True, True, False]


async def test_an_unknown_name_is_unavailable_and_says_so(group: SentinelGroup) -> None:
    redis = redis_client.connect(group.url.replace(group.NAME, "nothing"))
    with pytest.raises(RedisUnavailable, match="'nothing'"):
        await CircuitBreaker.of(redis).call(redis.ping)
    await redis.aclose()


async def test_a_wrong_password_of_the_sentinels_is_raised(group: SentinelGroup) -> None:
    group.sentinel.client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "+@all")
    login = "sentinel_username=app&sentinel_password"
    allowed = redis_client.connect(f"{group.url}?{login}=secret")
    assert await CircuitBreaker.of(allowed).call(allowed.ping)
    await allowed.aclose()
    redis = redis_client.connect(f"{group.url}?{login}=wrong")
    for _ in range(4):
        with pytest.raises(MasterNotFoundError, match="AuthenticationError"):
            await CircuitBreaker.of(redis).call(redis.ping)
    await redis.aclose()


@pytest.fixture
def group_to_break(tmp_path: Path) -> Iterator[SentinelGroup]:
    running = SentinelGroup(tmp_path)
    yield running
    running.stop()


@pytest.mark.parametrize("broken", ["demote", "pause", "kill"])
async def test_the_client_follows_to_the_next_primary(
    group_to_break: SentinelGroup, broken: str
) -> None:
    group = group_to_break
    redis = redis_client.connect(group.url, retry_after=0.1)
    cache = Cache(redis)
    version = 1
    await cache.set("key", version)
    actions = {
        "demote": group.fail_over,
        "pause": group.primary.pause,
        "kill": group.primary.kill,
    }
    await asyncio.to_thread(actions[broken])
    longest = 0.0
    replica = group.replica.client
    while True:
        version += 1
        start = time.monotonic()
        await cache.set("key", version)
        value = await cache.get("key")
        longest = max(longest, time.monotonic() - start)
        assert value in (version, None)
        is_primary = (await asyncio.to_thread(replica.info, "replication"))["role"] == "master"
        if is_primary and value == version and await asyncio.to_thread(replica.dbsize):
            break
        await asyncio.sleep(0.02)
    assert longest < 2
    await redis.aclose()
