"""Shards spread a namespace over the slots of a cluster, and keep the promises of one slot."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server
from tests.conftest import PATIENT
from tests.test_cache import Loader

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(own_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client = redis_client.connect(own_server.url, time_limit=PATIENT)
    await client.flushall()
    yield client
    await client.aclose()


async def test_entries_spread_over_the_shards_and_an_invalidation_finds_all(redis: Redis) -> None:
    cache, other = Cache(redis, shards=4), Cache(redis, shards=4)
    for number in range(100):
        await cache.set(f"key {number}", "old", user_id=number % 2)
    entries = await redis.keys("*:entry:*")
    assert len(entries) == 100
    slots = [key_slot(entry) for entry in entries]
    assert len(set(slots)) == 4
    assert all(slots.count(slot) > 10 for slot in slots)
    assert await other.invalidate_user_cache(1) == 50
    values = [await cache.get(f"key {number}") for number in range(100)]
    assert values == ["old", None] * 50
    await other.clear()
    assert [await cache.get(f"key {number}") for number in range(100)] == [None] * 100


async def test_all_keys_of_a_script_are_in_the_slot_of_its_shard(redis: Redis) -> None:
    """Compare the tags: a cluster rejects a script or an MGET whose keys are in several slots."""
    cache = Cache(redis, namespace="a b", shards=3)
    commands: list[list[bytes]] = []
    execute = redis.execute_command

    async def record(*command: object, **options: object) -> object:
        commands.append([part for part in command if isinstance(part, bytes) and b"{" in part])
        return await execute(*command, **options)

    redis.execute_command = record  # type: ignore[method-assign]
    for number in range(10):
        await cache.set(f"key {number}", 1, user_id=7)
        await cache.get(f"key {number}")
    assert all(len({key_slot(key) for key in keys}) == 1 for keys in commands if keys)
    names = await redis.keys("*")
    assert {name[: name.index(b"}") + 1] for name in names} == {b"{a b:0}", b"{a b:1}", b"{a b:2}"}


async def test_a_removal_missed_in_several_shards_is_made_up_for_in_each(
    server_to_break: redis_server.RedisServer,
) -> None:
    client = redis_client.connect(server_to_break.url)
    cache = Cache(client, shards=4)
    keys = [f"key {number}" for number in range(40)]
    for key in keys:
        await cache.set(key, "old", user_id=7)
    await client.execute_command("REPLICAOF", "127.0.0.1", "1")  # now it refuses writes
    assert await cache.invalidate_user_cache(7) == 0
    assert cache.unavailable.total() == 4
    assert await cache.get_or_set(keys[0], Loader("new")) == "new"
    await client.execute_command("REPLICAOF", "NO", "ONE")
    while cache.hits == 0:
        await asyncio.sleep(0.01)
        await cache.set("back?", 1)
        await cache.get("back?")
    assert [await cache.get(key) for key in keys] == [None] * 40
    await client.aclose()


@pytest.mark.parametrize("shards", [0, -1, 1.5, True, 2_000])
async def test_an_invalid_number_of_shards_is_an_error(redis: Redis, shards: int) -> None:
    with pytest.raises(ValueError, match="shards is"):
        Cache(redis, shards=shards)


async def test_a_namespace_named_like_a_shard_shares_nothing_with_it(redis: Redis) -> None:
    sharded = Cache(redis, namespace="shop", shards=2)
    others = [Cache(redis, namespace=f"shop:{number}") for number in range(2)]
    for other in others:
        await other.set("key", "kept", user_id=1)
    await sharded.set("key", "value", user_id=1)
    assert await sharded.invalidate_user_cache(1) == 1
    await sharded.clear()
    assert [await other.get("key") for other in others] == ["kept", "kept"]
