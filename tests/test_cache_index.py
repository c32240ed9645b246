"""A user's index lives as long as its entries, and an entry that's written again costs less."""

import enum

import pytest

from course_lib.cache import Cache

pytestmark = pytest.mark.anyio

INDEX, ENTRY = "{cache}:user:1", "{cache}:entry:key"


@pytest.mark.parametrize("ttls", [(1, 60), (60, 1)])
async def test_an_index_outlives_an_entry_that_is_written_again(redis, ttls):
    cache = Cache(redis)
    for ttl in ttls:
        await cache.set("key", 1, ttl, user_id=1)
    assert await redis.pttl(INDEX) > await redis.pttl(ENTRY)
    assert await cache.invalidate_user_cache(1) == 1


async def test_an_index_without_a_ttl_is_given_one(redis):
    cache = Cache(redis)
    await cache.set("key", 1, user_id=1)
    await redis.persist(INDEX)
    await cache.set("key", 2, user_id=1)
    assert await redis.pttl(INDEX) > await redis.pttl(ENTRY)


async def test_only_a_new_entry_searches_its_index_for_expired_ones(redis):
    cache = Cache(redis)
    await redis.config_resetstat()
    for _ in range(5):
        await cache.set("key", 1, user_id=1)
    await cache.set("another key", 1, user_id=1)
    commands = await redis.info("commandstats")
    assert commands["cmdstat_zadd"]["calls"] == 6
    assert commands["cmdstat_zrangebyscore"]["calls"] == 2


class Tenant(str, enum.Enum):  # noqa: UP042  as many apps write it
    SHOP = "shop"


async def test_a_member_of_an_enum_is_the_user_of_its_value(redis):
    cache = Cache(redis)
    await cache.set("key", "value", user_id=Tenant.SHOP)
    assert await cache.invalidate_user_cache("shop") == 1
