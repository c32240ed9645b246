"""The lease of a running load is renewed, so the one of a dead process ends after a few seconds."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache, lease_renewal, loader, missed_removals
from course_lib.cache.contents import new_lease
from course_lib.lab import redis_server
from tests.conftest import PATIENT

pytestmark = pytest.mark.anyio

LEASE_MS = 1000 * lease_renewal.LEASE
ENTRY, INDEX = "{leases}:entry:key", "{leases}:user:7"


@pytest.fixture
async def redis(
    own_server: redis_server.RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Redis]:
    monkeypatch.setattr(lease_renewal, "RENEW_AFTER", 0.02)
    client = redis_client.connect(own_server.url, time_limit=PATIENT)
    await client.delete(ENTRY, INDEX)
    yield client
    await client.aclose()


@pytest.fixture
def cache(redis: Redis) -> Cache:
    return Cache(redis, namespace="leases", load_timeout=60)


@pytest.fixture
async def load(redis: Redis, cache: Cache) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Begin a load, and yield a function that ends it and returns what its caller gets."""
    started, end = asyncio.Event(), asyncio.Event()

    async def load_slowly() -> str:
        started.set()
        await end.wait()
        return "loaded"

    caller = asyncio.create_task(cache.get_or_set("key", load_slowly, user_id=7))
    await started.wait()

    async def finish() -> Any:
        end.set()
        return await caller

    yield finish
    await finish()


async def wait_until(is_true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_true():
            await asyncio.sleep(0.005)


async def test_a_lease_is_short_and_renewed_while_the_load_runs(
    redis: Redis, cache: Cache, load: Callable[[], Awaitable[Any]]
) -> None:
    assert 0 < await redis.pttl(ENTRY) <= LEASE_MS
    await redis.zadd(INDEX, {"key": 1})  # as if it had expired long ago
    await redis.pexpire(ENTRY, 1_000)

    async def is_renewed() -> bool:
        return await redis.pttl(ENTRY) > 1_000 and await redis.zscore(INDEX, "key") > 1

    await wait_until(is_renewed)
    assert await load() == "loaded"
    assert await cache.get("key") == "loaded"


async def test_a_lease_that_redis_grants_after_its_release_is_released_again(
    redis: Redis, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_removals, "LATE", 1.0)
    lease = new_lease()
    cache._store.release_later(b"key", lease)  # the reply was lost, and so far the request too
    await asyncio.sleep(0.02)
    await redis.set(ENTRY, lease, px=60_000)

    async def is_released() -> bool:
        return not await redis.exists(ENTRY)

    await wait_until(is_released)
    monkeypatch.setattr(missed_removals, "LATE", 0.05)
    cache._store.release_later(b"key", lease)
    await cache.aclose()
    await redis.set(ENTRY, lease, px=60_000)
    await asyncio.sleep(0.1)
    assert await redis.exists(ENTRY), "a closed cache sends nothing more"


async def test_a_lease_that_was_invalidated_is_not_renewed(
    redis: Redis,
    cache: Cache,
    load: Callable[[], Awaitable[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await cache.invalidate_user_cache(7)
    await asyncio.sleep(0.1)
    assert not await redis.exists(ENTRY, INDEX)
    assert await load() == "loaded"
    assert await cache.get("key") is None
    assert not caplog.text


async def test_a_load_that_blocks_the_event_loop_for_longer_than_its_lease_is_logged(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loader, "LEASE", 0.05)
    cache = Cache(redis, namespace="leases")

    async def block() -> int:
        time.sleep(0.1)
        return 1

    assert await cache.get_or_set("key", block) == 1
    assert await cache.get("key") is None
    assert "blocked the event loop, so its lease lapsed" in caplog.text


async def test_a_renewal_that_redis_missed_is_made_again(
    server_to_break: redis_server.RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_renewal, "RENEW_AFTER", 0.02)
    redis = redis_client.connect(server_to_break.url, retry_after=0.05)
    cache = Cache(redis, namespace="leases")
    end = asyncio.Event()
    caller = asyncio.create_task(cache.get_or_set("key", end.wait, user_id=7))
    await wait_until(lambda: redis.exists(ENTRY))
    server_to_break.pause()

    async def has_failed() -> bool:
        return cache.unavailable.total() > 0

    await wait_until(has_failed)
    server_to_break.resume()
    await redis.pexpire(ENTRY, 1_000)

    async def is_renewed() -> bool:
        return await redis.pttl(ENTRY) > 1_000

    await wait_until(is_renewed)
    end.set()
    assert await caller is True
    await redis.aclose()
