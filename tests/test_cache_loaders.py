"""A loader that looks up its own key is told so at once; one that looks up others isn't."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.lab import redis_server
from tests.conftest import PATIENT

pytestmark = pytest.mark.anyio


async def look_up_own_key(redis: Redis, stale: float | None) -> None:
    cache = Cache(redis, namespace="own-key")

    async def load() -> int:
        return 1 + await cache.get_or_set("key", load, stale=stale)

    with pytest.raises(RuntimeError, match="the loader of 'key' looks up its own key"):
        await cache.get_or_set("key", load, stale=stale)
    assert await cache.get("key") is None
    await redis.aclose()


@pytest.mark.parametrize("stale", [None, 5.0])
async def test_a_loader_that_looks_up_its_own_key_fails_at_once(
    own_server: redis_server.RedisServer, stale: float | None
) -> None:
    await look_up_own_key(redis_client.connect(own_server.url, time_limit=PATIENT), stale)


async def test_that_is_so_while_redis_is_unavailable() -> None:
    await look_up_own_key(redis_client.connect("unix:///no/such/socket"), None)


@pytest.mark.parametrize(
    "ask",
    [
        lambda call: call(),
        lambda call: asyncio.gather(call()),
        lambda call: asyncio.wait_for(call(), PATIENT),
        lambda call: asyncio.create_task(call()),
    ],
)
@pytest.mark.parametrize("keys", [["a"], ["a", "b"], ["a", "b", "c"]])
async def test_loaders_that_look_each_other_up_in_a_circle_fail_at_once(
    own_server: redis_server.RedisServer, keys: list[str], ask: Callable[[Any], Awaitable[Any]]
) -> None:
    redis = redis_client.connect(own_server.url, time_limit=PATIENT)
    cache = Cache(redis, namespace="circle", load_timeout=60)

    async def look_up(number: int) -> Any:
        async def load() -> Any:
            return await ask(lambda: look_up(number + 1))

        return await cache.get_or_set(keys[number % len(keys)], load)

    with pytest.raises(RuntimeError, match="the loader of 'a' looks up its own key"):
        await asyncio.wait_for(look_up(0), PATIENT)
    assert [await cache.get(key) for key in keys] == [None] * len(keys)
    await redis.aclose()


async def test_a_decorated_function_may_call_itself(own_server: redis_server.RedisServer) -> None:
    redis = redis_client.connect(own_server.url, time_limit=PATIENT)
    cache = Cache(redis, namespace="recursive")

    @cache.cached()
    async def fibonacci(number: int) -> int:
        if number < 2:
            return number
        one, other = await fibonacci(number - 1), await fibonacci(number - 2)
        return one + other

    assert await fibonacci(15) == 610
    assert cache.loads == 16
    await redis.aclose()
