"""The cache stays right after lost replies, refused writes, outages and foreign content."""

import asyncio
import contextlib
import logging
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache, missed_removals
from course_lib.cache.shard import Shard
from course_lib.lab import redis_server
from tests.conftest import PATIENT, empty_client, on_both_engines
from tests.counting_redis import CountingRedis, counting_client
from tests.test_cache import Loader

pytestmark = pytest.mark.anyio

Removal = Callable[[Cache], Awaitable[object]]
removals = pytest.mark.parametrize(
    "removal",
    [
        lambda cache: cache.set("key", "new"),
        lambda cache: cache.delete("key"),
        lambda cache: cache.invalidate_user_cache(7),
        lambda cache: cache.clear(),
    ],
    ids=["set", "delete", "invalidate_user_cache", "clear"],
)


@pytest.fixture
async def redis(server: redis_server.RedisServer) -> AsyncIterator[CountingRedis]:
    async with empty_client(server, counting_client) as client:
        yield client


@pytest.fixture
def cache(redis: Redis) -> Cache:
    return Cache(redis)


@pytest.fixture
async def breakable(
    server_to_break: redis_server.RedisServer,
) -> AsyncIterator[tuple[redis_server.RedisServer, Cache, Redis]]:
    """A server for a test to break, a cache on it, and another client."""
    client, admin = [redis_client.connect(server_to_break.url) for _ in range(2)]
    redis_client.CircuitBreaker.of(client).retry_after = 0.1
    yield server_to_break, Cache(client), admin
    await client.aclose()
    await admin.aclose()


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while True:
            result = condition()
            if await result if isinstance(result, Awaitable) else result:
                return
            await asyncio.sleep(0.005)


async def refuse_writes(admin: Redis) -> None:
    """Make the server a replica of nothing, which serves reads and rejects writes."""
    await admin.execute_command("REPLICAOF", "127.0.0.1", "1")


async def accept_writes(admin: Redis) -> None:
    await admin.execute_command("REPLICAOF", "NO", "ONE")


# --- removals that Redis missed -------------------------------------------------------------------


@removals
async def test_a_refused_removal_is_made_up_for_without_another_call(
    breakable: tuple[redis_server.RedisServer, Cache, Redis], removal: Removal
) -> None:
    _, cache, admin = breakable
    other = Cache(admin)
    await cache.set("key", "old", user_id=7)
    await refuse_writes(admin)
    await removal(cache)
    assert await cache.get("key", "nothing") == "nothing"
    assert cache.unavailable["removals"] == 1
    assert cache.unavailable.total() == 2
    await accept_writes(admin)
    # The other cache stands for another process: the first makes up for it in the background.
    await until(lambda: _is_gone(other, "key"))
    await until(lambda: _can_store(cache))


async def _is_gone(cache: Cache, key: str) -> bool:
    return await cache.get(key, "nothing") == "nothing"


async def _can_store(cache: Cache) -> bool:
    await cache.set("back?", 1)
    return await cache.get("back?") == 1


@removals
async def test_a_removal_that_was_cancelled_is_made_up_for(
    breakable: tuple[redis_server.RedisServer, Cache, Redis], removal: Removal
) -> None:
    server, cache, _ = breakable
    await cache.set("key", "old", user_id=7)
    server.pause()
    call = asyncio.ensure_future(removal(cache))
    await asyncio.sleep(0.01)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    server.resume()
    assert await cache.get("key", "nothing") == "nothing"
    await until(lambda: _can_store(cache))
    assert await cache.get("key", "nothing") in ("nothing", "new")


async def test_many_missed_removals_are_applied_in_batches_and_keep_other_entries(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
) -> None:
    _, cache, admin = breakable
    for number in range(300):
        await cache.set(f"key {number}", "old", user_id=number)
    await cache.set("untouched", "kept")
    await refuse_writes(admin)
    for number in range(0, 300, 2):
        await cache.delete(f"key {number}")
        await cache.invalidate_user_cache(number + 1)
    await accept_writes(admin)
    await until(lambda: _can_store(cache))
    assert await cache.get("untouched") == "kept"
    assert [await cache.get(f"key {number}") for number in range(300)] == [None] * 300


async def test_too_many_missed_removals_clear_the_namespace_instead(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(missed_removals, "MOST_NAMES", 20)
    _, cache, admin = breakable
    await cache.set("untouched", "kept")
    await refuse_writes(admin)
    for number in range(100):
        await cache.delete(f"key {number}")
    await accept_writes(admin)
    await until(lambda: _can_store(cache))
    assert await cache.get("untouched") is None
    assert len([record for record in caplog.records if record.name == "course_lib.cache"]) == 2


async def test_no_request_waits_for_removals_to_be_made_up_for(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
) -> None:
    """Expect a miss while they're pending, without a command for it."""
    server, cache, _ = breakable
    await cache.set("key", "old")
    server.pause()
    await cache.delete("key")
    reads = cache.unavailable["removals"]
    loads = [asyncio.create_task(cache.get_or_set("key", Loader("new"))) for _ in range(5)]
    await asyncio.sleep(0)
    assert cache.unavailable["removals"] == reads + 5
    assert await asyncio.gather(*loads) == ["new"] * 5
    server.resume()


async def test_while_writes_are_refused_concurrent_misses_share_a_load(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
) -> None:
    _, cache, admin = breakable
    await refuse_writes(admin)
    loader = Loader(seconds=0.1)
    calls = []
    for _ in range(10):
        calls.append(asyncio.create_task(cache.get_or_set("key", loader)))
        await asyncio.sleep(0.004)
    assert await asyncio.gather(*calls) == ["loaded"] * 10
    assert loader.calls == 1
    assert cache.unavailable.total() > 0


async def test_without_redis_a_caller_does_not_join_a_load_from_before_a_set(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
) -> None:
    server, cache, _ = breakable
    server.kill()
    before = Loader("old", seconds=0.2)
    load = asyncio.create_task(cache.get_or_set("key", before))
    await before.started.wait()
    await cache.set("key", "new")
    assert await cache.get_or_set("key", Loader("new")) == "new"
    assert await load == "old"


# --- leases ---------------------------------------------------------------------------------------


class LateReplies:
    """A proxy that holds back the first reply to a script, until `may_reply` is set."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.has_held = False
        self.may_reply = asyncio.Event()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connect(self, client: asyncio.StreamReader, replies: asyncio.StreamWriter) -> None:
        server, commands = await asyncio.open_unix_connection(self.path)
        is_script = False

        async def send() -> None:
            nonlocal is_script
            while data := await client.read(65_536):
                is_script = b"\r\nEVAL\r\n" in data
                commands.write(data)
            commands.close()

        async def receive() -> None:
            while data := await server.read(65_536):
                if is_script and not self.has_held:
                    self.has_held = True
                    await self.may_reply.wait()
                replies.write(data)
            replies.close()

        await asyncio.gather(send(), receive(), return_exceptions=True)

    def stop(self) -> None:
        self._server.close()


async def test_a_lease_whose_reply_was_lost_is_released(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
) -> None:
    server, _, admin = breakable
    proxy = LateReplies(server.path)
    slow = redis_client.connect(await proxy.start())
    cache, other = Cache(slow), Cache(admin)
    assert await cache.get_or_set("key", Loader(seconds=0.3)) == "loaded"
    assert proxy.has_held
    proxy.may_reply.set()
    assert cache.unavailable == {"timeout": 1}
    assert await admin.exists("{cache}:entry:key") == 0
    assert await other.get_or_set("key", Loader("other")) == "other"
    await slow.aclose()
    proxy.stop()


async def test_a_caller_does_not_wait_for_one_failing_load_of_others_after_another(
    redis: Redis,
) -> None:
    """Take the lease that another process always has after `load_timeout` + 1 s."""
    cache = Cache(redis, load_timeout=0.05)
    stop = False

    async def hold() -> None:
        number = 0
        while not stop:
            number += 1
            await redis.set("{cache}:entry:key", b"\0" + b"%012d" % number, px=20)
            await asyncio.sleep(0.005)

    holding = asyncio.create_task(hold())
    assert await cache.get_or_set("key", Loader(seconds=0)) == "loaded"
    stop = True
    await holding


async def test_closing_waits_for_running_loads_and_leaves_no_lease(
    cache: Cache, redis: Redis
) -> None:
    loader = Loader(seconds=0.05)
    caller = asyncio.create_task(cache.get_or_set("key", loader))
    await loader.started.wait()
    caller.cancel()
    await cache.aclose()
    assert await redis.get("{cache}:entry:key") == b'"loaded"'


async def test_no_caller_waits_for_the_release_of_a_lease_that_redis_missed(
    breakable: tuple[redis_server.RedisServer, Cache, Redis],
) -> None:
    server, cache, admin = breakable
    loader = Loader(seconds=0.05)
    load = asyncio.create_task(cache.get_or_set("key", loader))
    await loader.started.wait()
    server.pause()
    assert await load == "loaded"
    assert cache.unavailable.total() == 1, "only storing the value was tried by then"
    server.resume()
    # The value arrived while the server was paused, or the lease is released in the background.
    await until(lambda: _has_no_lease(admin))
    await cache.aclose()


async def _has_no_lease(redis: Redis) -> bool:
    return await redis.get("{cache}:entry:key") in (None, b'"loaded"')


def test_a_caller_does_not_join_a_load_of_an_event_loop_that_has_ended(
    server_to_break: redis_server.RedisServer,
) -> None:
    server_to_break.kill()
    cache = Cache(redis_client.connect(server_to_break.url))

    async def begin_load() -> None:
        asyncio.create_task(cache.get_or_set("key", Loader(seconds=30)))  # noqa: RUF006
        await asyncio.sleep(0.01)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin_load())
    assert asyncio.run(cache.get_or_set("key", Loader())) == "loaded"
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


def test_removals_of_an_event_loop_that_has_stopped_are_applied_by_the_next(
    server_to_break: redis_server.RedisServer,
) -> None:
    cache = Cache(redis_client.connect(server_to_break.url, retry_after=0.1, time_limit=PATIENT))
    stopped = asyncio.new_event_loop()
    stopped.run_until_complete(cache.set("key", 1))
    server_to_break.kill()
    stopped.run_until_complete(cache.delete("key"))
    server_to_break.restart()
    asyncio.run(_until_reads_go_to_redis(cache))
    for task in asyncio.all_tasks(stopped):
        task.cancel()
    stopped.run_until_complete(asyncio.sleep(0))
    stopped.close()


async def _until_reads_go_to_redis(cache: Cache) -> None:
    async def does_hit() -> bool:
        await cache.set("other", 1)
        return await cache.get("other") == 1

    await until(does_hit)


# --- foreign content ------------------------------------------------------------------------------


async def plant_list(redis: Redis, name: str) -> None:
    await redis.rpush(name, "foreign")


def plant(content: bytes) -> Callable[[Redis, str], Awaitable[None]]:
    async def plant(redis: Redis, name: str) -> None:
        await redis.set(name, content)

    return plant


@on_both_engines
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    "planting",
    [
        plant_list,
        plant(pickle.dumps({"a": 1})),
        plant(b"text that is no JSON"),
        plant(b'{"cut": '),
        plant(b"NaN"),
        plant(b"\0 begins like a lease, but is longer"),
        plant(b"\1 a mark"),
        plant(b"\2 a refresh"),
        plant(b"\3"),
    ],
    ids=["list", "pickle", "text", "cut", "nan", "zero", "mark", "refresh", "escape"],
)
async def test_foreign_content_is_a_miss_logged_once_and_replaced(
    cache: Cache,
    redis: Redis,
    planting: Callable[[Redis, str], Awaitable[None]],
    raw: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await planting(redis, "{cache}:entry:key")
    loader, outcomes = Loader(), []
    for _ in range(2):
        value = await cache.get_or_set("key", loader, raw=raw, on_outcome=outcomes.append)
        assert value == (b'"loaded"' if raw else "loaded")
    assert outcomes == ["miss", "hit"]
    assert (cache.hits, cache.misses, loader.calls) == (1, 1, 1)
    assert len(caplog.records) == 1
    await planting(redis, "{cache}:entry:got")
    assert await cache.get("got", "nothing") == "nothing"
    await planting(redis, "{cache}:entry:deleted")
    await cache.delete("deleted")
    assert not await redis.exists("{cache}:entry:deleted")


async def test_content_that_begins_like_a_lease_but_belongs_to_no_load_is_taken_over(
    redis: Redis,
) -> None:
    cache = Cache(redis, load_timeout=0.5)
    await redis.set("{cache}:entry:key", b"\0" + b"x" * 12)  # without a TTL
    assert await cache.get_or_set("key", Loader()) == "loaded"
    assert await cache.get("key") == "loaded"


@on_both_engines
async def test_a_foreign_key_in_place_of_an_index_clears_what_it_may_have_listed(
    cache: Cache, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    for replace_by_write in (True, False):
        await cache.set("key", "old", user_id=7)
        await redis.delete("{cache}:user:7")
        await plant_list(redis, "{cache}:user:7")
        if replace_by_write:
            await cache.set("another", "new", user_id=7)
            assert await cache.get("another") == "new"
        else:
            await cache.invalidate_user_cache(7)
        assert await cache.get("key", "nothing") == "nothing"
    assert len(caplog.records) == 2


@on_both_engines
async def test_a_foreign_key_in_place_of_the_mark_is_replaced_by_the_next_clear(
    cache: Cache, redis: Redis
) -> None:
    await plant_list(redis, "{cache}:mark")
    await cache.set("key", "old", user_id=7)
    assert await cache.get("key") == "old"
    await cache.clear()
    assert await cache.get("key") is None


# --- clear ----------------------------------------------------------------------------------------


@on_both_engines
async def test_clear_forgets_the_namespace_in_one_round_trip_and_no_other(
    cache: Cache, redis: CountingRedis
) -> None:
    neighbor = Cache(redis, namespace="neighbor")
    for key in "abc":
        await cache.set(key, "old", user_id=7)
        await neighbor.set(key, "kept")
    redis.sent.clear()
    await cache.clear()
    assert redis.sent == ["SET"]
    assert [await cache.get(key, "nothing") for key in "abc"] == ["nothing"] * 3
    assert [await neighbor.get(key) for key in "abc"] == ["kept"] * 3
    assert not await cache.delete("a")
    assert await cache.invalidate_user_cache(7) == 0
    await cache.set("d", "new", user_id=7)
    assert await cache.get("d") == "new"
    assert await cache.invalidate_user_cache(7) == 1


@on_both_engines
async def test_a_load_that_began_before_a_clear_stores_nothing(
    server: redis_server.RedisServer, cache: Cache
) -> None:
    client = redis_client.connect(server.url, time_limit=PATIENT)
    before, after = Loader("old", seconds=0.05), Loader("new", seconds=0)
    load = asyncio.create_task(cache.get_or_set("key", before, user_id=7))
    await before.started.wait()
    await Cache(client).clear()
    assert await cache.get_or_set("key", after) == "new"
    assert await load == "old"
    assert await cache.get("key") == "new"
    await client.aclose()


async def test_after_a_clear_without_redis_nothing_from_before_is_read(
    breakable: tuple[redis_server.RedisServer, Cache, Redis], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server, cache, _ = breakable
    await cache.set("key", "old")
    server.pause()
    await cache.clear()
    server.resume()
    seen: set[Any] = {await cache.get("key", "nothing")}
    await until(lambda: _can_store(cache))
    seen.add(await cache.get("key", "nothing"))
    assert seen == {"nothing"}


@on_both_engines
async def test_an_index_that_becomes_foreign_again_and_again_fails_no_call(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(redis)
    replace_index = Shard._replace_index

    async def replace_too_late(shard: Shard, index: bytes) -> None:
        await replace_index(shard, index)
        await plant_list(redis, "{cache}:user:7")

    monkeypatch.setattr(Shard, "_replace_index", replace_too_late)
    await plant_list(redis, "{cache}:user:7")
    assert await cache.get_or_set("key", Loader(), user_id=7) == "loaded"
    await cache.set("key", "new", user_id=7)
    await cache.invalidate_user_cache(7)
    assert cache.unavailable["wrongtype"] >= 2
    monkeypatch.undo()
    await until(lambda: _can_store(cache))
