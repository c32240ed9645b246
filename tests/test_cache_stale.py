"""With `stale`, callers get a value past its TTL at once, while one load replaces it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server
from tests.conftest import PATIENT
from tests.test_cache import Loader

pytestmark = pytest.mark.anyio
TTL, STALE = 300, 60


@pytest.fixture
async def redis(any_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client = redis_client.connect(any_server.url, time_limit=PATIENT)
    await client.flushall()
    yield client
    await client.aclose()


class GatedLoader(Loader):
    """A loader that returns when its gate is opened."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.gate = asyncio.Event()

    async def __call__(self) -> object:
        self.calls += 1
        value = self.value
        self.started.set()
        await self.gate.wait()
        return value


async def end_ttl(redis: Redis) -> None:
    """Let the entry's TTL end: from now on the entry is stale."""
    await redis.pexpire("{cache}:entry:key", STALE * 1_000)


class Lookups:
    """Lookups of one key with a short TTL, and their outcomes."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.outcomes: list[str] = []

    async def __call__(self, loader: Loader, *, raw: bool = False) -> object:
        return await self.cache.get_or_set(
            "key",
            loader,
            TTL,
            user_id=7,
            raw=raw,
            stale=STALE,
            on_outcome=self.outcomes.append,
        )


@pytest.fixture
def look_up(redis: Redis) -> Lookups:
    return Lookups(Cache(redis, jitter=0))


async def test_a_stale_value_is_returned_while_one_load_replaces_it(
    redis: Redis, look_up: Lookups
) -> None:
    other = Lookups(Cache(redis, jitter=0))  # as in another process
    assert [await look_up(Loader("old")), await look_up(Loader())] == ["old", "old"]
    assert look_up.outcomes == ["miss", "hit"]
    await end_ttl(redis)
    refresh = GatedLoader("new")
    calls = [look(refresh) for look in [look_up, other] for _ in range(10)]
    assert await asyncio.gather(*calls) == ["old"] * 20
    assert await look_up.cache.get("key") == "old"
    assert {*look_up.outcomes[2:], *other.outcomes} == {"stale"}
    refresh.gate.set()
    await look_up.cache.aclose()
    await other.cache.aclose()
    assert refresh.calls == 1
    assert [await look_up(Loader()), await other(Loader(), raw=True)] == ["new", b'"new"']
    assert (look_up.cache.misses, other.cache.misses) == (1, 0)


@pytest.mark.parametrize("removal", ["invalidate_user_cache", "delete", "set", "clear"])
async def test_an_invalidation_ends_the_stale_value_and_its_refresh(
    redis: Redis, look_up: Lookups, removal: str
) -> None:
    cache = look_up.cache
    await look_up(Loader("old"))
    await end_ttl(redis)
    refresh = GatedLoader("also old")
    assert await look_up(refresh) == "old"
    await refresh.started.wait()
    arguments = {"invalidate_user_cache": [7], "delete": ["key"], "set": ["key", "new"]}
    await getattr(cache, removal)(*arguments.get(removal, []))
    assert await look_up(Loader("new")) == "new"
    refresh.gate.set()
    await cache.aclose()
    assert await cache.get("key") == "new"


async def test_after_a_failed_refresh_the_next_one_starts_when_its_lease_lapses(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(redis, jitter=0, load_timeout=0.01)
    look_up = Lookups(cache)
    await look_up(Loader("old", seconds=0))
    await end_ttl(redis)
    hangs = Loader("never", seconds=30)
    assert await look_up(hangs) == "old"
    await cache.aclose()
    assert "'key' is stale, and refreshing it failed: TimeoutError" in caplog.text
    assert await look_up(hangs) == "old"
    assert hangs.calls == 1
    # Let time pass: the entry has 40 s left, so the lease from when it had 60 has lapsed.
    await redis.pexpire("{cache}:entry:key", 40_000)
    assert await look_up(Loader("new", seconds=0)) == "old"
    await cache.aclose()
    assert await look_up(Loader()) == "new"


async def test_a_stale_value_lasts_as_long_as_asked_and_belongs_to_its_user(
    redis: Redis, look_up: Lookups
) -> None:
    await look_up(Loader("old"))
    assert 359_000 < await redis.pttl("{cache}:entry:key") <= 360_000
    assert await redis.pexpiretime("{cache}:user:7") >= await redis.pexpiretime("{cache}:entry:key")


async def test_stale_works_without_redis(server_to_break: redis_server.RedisServer) -> None:
    client = redis_client.connect(server_to_break.url)
    look_up = Lookups(Cache(client))
    server_to_break.kill()
    assert [await look_up(Loader("loaded")) for _ in range(2)] == ["loaded"] * 2
    assert look_up.outcomes == ["miss", "miss"]
    assert look_up.cache.unavailable.total() == 2
    await client.aclose()
