"""A cancelled caller and a process that ends leave the cache right, and the log quiet."""

import asyncio
import gc
import sys
from typing import Any
from unittest.mock import AsyncMock

import pytest

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.cache.missed_removals import MissedRemovals
from course_lib.lab import redis_server
from tests.conftest import PATIENT


@pytest.mark.anyio
@pytest.mark.parametrize(
    "remove",
    [lambda cache: cache.invalidate_user_cache(7), Cache.clear, lambda cache: cache.delete("key")],
    ids=["invalidate_user_cache", "clear", "delete"],
)
async def test_a_cancelled_removal_is_made_up_for_without_a_warning(
    own_server: redis_server.RedisServer, caplog: pytest.LogCaptureFixture, remove: Any
) -> None:
    redis, other = [redis_client.connect(own_server.url, time_limit=PATIENT) for _ in range(2)]
    cache, reader = [Cache(client, namespace="cancelled") for client in (redis, other)]
    for steps in range(1, 15):  # until it has begun, and longer than it takes
        await cache.set("key", "value", user_id=7)
        task = asyncio.create_task(remove(cache))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(5):
            while await reader.get("key") is not None:
                await asyncio.sleep(0.001)
    assert caplog.records == []
    await cache.aclose()
    await other.aclose()


def test_an_event_loop_that_ends_during_a_removal_causes_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    async def remove(_: object) -> None:
        try:
            await asyncio.sleep(10)
        finally:  # as redis-py does when it closes the connection
            asyncio.current_task()

    async def remember_and_end() -> None:
        missed = MissedRemovals(remove, AsyncMock(), AsyncMock())
        missed.remember(b"name")
        await asyncio.sleep(0.001)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(remember_and_end())
    loop.close()
    gc.collect()
    assert unraisable == []
