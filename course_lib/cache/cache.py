"""A cache in Redis: cache-aside with one load for any number of concurrent misses, and no stale value after a write.

The hard part of a cache is not to store what is old already. A load reads the database, somebody writes and
invalidates, and then the load stores what it had read: the late store. So a load first leaves a *lease* where its
value is to stand, and may store only while that lease is still there; an invalidation removes leases as it removes
values (Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1). The same lease tells everybody else,
in this process and in others, that somebody is loading, so that they wait instead of loading as well.

Keys in Redis, for a namespace `cache`:

    {cache}:entry:<key>       a value as JSON, or the lease of a load: a zero byte and a random token
    {cache}:user:<user_id>    the index of a user's entries: a sorted set, by the moment at which each expires

In a Redis Cluster the braces keep a namespace in one slot, as a script needs it: spread your load by namespaces.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import math
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from course_lib.redis_client import BYTES, CircuitBreaker, RedisUnavailable, Script

LEASE = b"\0"  # no JSON begins with it
UNAVAILABLE = LEASE  # in place of a lease, where Redis did not answer
IF_ABSENT, ALWAYS = b"", b"*"  # conditions of write.lua
LOADED = math.inf
POLL = 0.005  # seconds between two looks at another process's load
BATCH = 250  # entries removed in one go: while a script runs, every other client waits
LONGEST_KEY = 1_024
LONGEST_TTL = 366 * 86_400.0

WRITE, RELEASE, INVALIDATE = (
    Script(__package__, "write"),
    Script(__package__, "release"),
    Script(__package__, "invalidate"),
)

log = logging.getLogger(__package__)

Loader = Callable[[], Awaitable[Any]]


class Cache:
    """Values as JSON under string keys, each with a lifetime, and optionally known to belong to a user.

    - `redis`: an asyncio client, best from `redis_client.connect`. A cache belongs to one event loop.
    - `ttl`: seconds that a value lives when a call does not say; each life is shortened by up to the share `jitter`,
      so that what was stored together does not expire together. No value outlives the TTL that was asked for.
    - `load_timeout`: seconds after which a load is given up, and the next one let through.
    - `max_bytes`: the largest value, as JSON, that is stored.

    While Redis is away, reads are misses and nothing is stored; loads still run once for each key and process, and who
    joins one may get what another process has invalidated since it began. Invalidations that Redis missed are made up
    for before this process reads from it again; other processes may meet the old value meanwhile, for its TTL at most,
    and so may all if this process ends first. Give Redis room enough, or the policy `noeviction` or `volatile-ttl`: one
    that evicts an index of ours loses track of what it lists.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        namespace: str = "cache",
        ttl: float = 300.0,
        load_timeout: float = 10.0,
        jitter: float = 0.1,
        max_bytes: int = 1_000_000,
    ) -> None:
        if not namespace or set(namespace) & set("{}"):
            raise ValueError(f"namespace is {namespace!r}: give it a name without braces")
        if not 0 <= jitter < 1:
            raise ValueError(f"jitter is {jitter!r}: it is a share of the TTL, from 0 to less than 1")
        self.ttl, self.load_timeout = _seconds("ttl", ttl), _seconds("load_timeout", load_timeout)
        self.jitter, self.max_bytes = jitter, max_bytes
        self.hits = 0
        """Lookups that were answered from Redis."""
        self.misses = 0
        """Lookups that were not; to wait for somebody's load is a miss too."""
        self.loads = 0
        """Calls of a loader."""
        self._redis = redis
        self._entries, self._indexes = f"{{{namespace}}}:entry:", f"{{{namespace}}}:user:"
        self._pending: dict[str, SharedLoad] = {}  # by entry: not loading yet, so anybody may join
        self._by_lease: dict[bytes, SharedLoad] = {}  # by lease: to be joined by who has seen this lease stand
        self._without_redis: dict[str, SharedLoad] = {}  # by entry: loading without Redis
        self._missed_removals: set[str] = set()  # entries and indexes whose removal Redis missed
        self._applying = False

    @property
    def hit_rate(self) -> float:
        """The share of lookups that were hits, from 0 to 1; 0.0 before the first."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else 0.0

    async def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, else `default`. A stored None is a hit."""
        entry = self._entry(key)
        try:
            content = await self._read(entry)
        except RedisUnavailable:
            content = None
        if content is None or content.startswith(LEASE):
            self.misses += 1
            return default
        self.hits += 1
        return json.loads(content)

    async def set(self, key: str, value: Any, ttl: float | None = None, *, user_id: int | str | None = None) -> None:
        """Store a value for `ttl` seconds; with `user_id`, `invalidate_user_cache` of that user will remove it.

        TypeError for a value that JSON cannot express, ValueError for one over `max_bytes` or a TTL of zero or less.
        """
        entry, content, lifetime = self._entry(key), _encode(key, value), self._milliseconds(ttl)
        if len(content) > self.max_bytes:
            raise ValueError(f"the value of {key!r} has {len(content):,} bytes; max_bytes is {self.max_bytes:,}")
        try:
            await self._apply_missed_removals()
            await self._write(entry, content, lifetime, ALWAYS, user_id)
        except RedisUnavailable:
            self._remember_missed(entry)  # what stands there is old now

    async def delete(self, key: str) -> bool:
        """Remove a value; whether there was one."""
        entry = self._entry(key)
        self._without_redis.clear()
        try:
            await self._apply_missed_removals()
            content = await self._remove(entry)
        except RedisUnavailable:
            self._remember_missed(entry)
            return False
        return content is not None and not content.startswith(LEASE)

    async def invalidate_user_cache(self, user_id: int | str) -> int:
        """Remove all that is stored for a user, and keep loads that are under way from storing; how many these were.

        Call it when the write is done: whoever asks after this has returned does not get what was before the write.
        One round trip for up to 250 entries, and one more for each 250 beyond.
        """
        index = self._index(user_id)
        self._without_redis.clear()
        try:
            await self._apply_missed_removals()
            return await self._remove_all(index)
        except RedisUnavailable:
            self._remember_missed(index)
            return 0

    async def get_or_set(
        self,
        key: str,
        loader: Loader,
        ttl: float | None = None,
        *,
        user_id: int | str | None = None,
        raw: bool = False,
        on_outcome: Callable[[str], object] | None = None,
    ) -> Any:
        """The value under `key`; where there is none, what `await loader()` gives, which is then stored.

        Of concurrent misses one loads, in this process or another, and the others wait for it. What comes back is what
        JSON makes of a value (lists for tuples), from the first time on; `raw=True` gives the JSON itself, as bytes.
        `on_outcome` is told "hit", "miss" (this call made the load) or "wait".

        A load goes on when its caller is cancelled, for others may wait for it. What a loader raises reaches its own
        caller; who only waited tries once more. TimeoutError after `load_timeout`. A value over `max_bytes` is handed
        on, and not stored.
        """
        request = LoadRequest(key, self._entry(key), _check_loader(loader), self._milliseconds(ttl), user_id)
        content, outcome = await self._get_or_load(request)
        if on_outcome:
            on_outcome(outcome)
        return content if raw else json.loads(content)

    # --- misses -----------------------------------------------------------------------------------------------------

    async def _get_or_load(self, request: "LoadRequest") -> tuple[bytes, str]:
        """The content of an entry, and how it was come by."""
        try:
            seen = await self._read(request.entry)
        except RedisUnavailable:
            seen = UNAVAILABLE
        if seen is not None and not seen.startswith(LEASE):
            self.hits += 1
            return seen, "hit"
        self.misses += 1
        retried = False
        while seen is None or seen.startswith(LEASE):
            joined = self._joinable(request.entry, seen)
            load = joined or self._start_load(request, seen)
            attempt = load.attempt
            try:
                content = await asyncio.shield(load.task)
            except Exception:
                if not joined or retried:
                    raise
                retried = True
            else:
                if not joined:
                    return content, "miss" if load.answered_by == LOADED else "wait"
                if load.answered_by > attempt:
                    return content, "wait"
            try:
                seen = await self._read(request.entry)
            except RedisUnavailable:
                seen = UNAVAILABLE
        return seen, "wait"

    def _joinable(self, entry: str, seen: bytes | None) -> "SharedLoad | None":
        """The load of this process that gives nothing older than this moment: its lease stands, or it has not begun."""
        if seen == UNAVAILABLE:
            return self._without_redis.get(entry)
        return (self._by_lease.get(seen) if seen else None) or self._pending.get(entry)

    def _start_load(self, request: "LoadRequest", seen: bytes | None) -> "SharedLoad":
        """Start a load: a task of its own, so that no caller's cancellation ends it."""
        load = SharedLoad()
        if seen == UNAVAILABLE:
            self._without_redis[request.entry] = load
            load.task = asyncio.create_task(self._load_without_redis(request, load))
        else:
            self._pending[request.entry] = load
            load.task = asyncio.create_task(self._wait_for_lease(request, load))
        load.task.add_done_callback(_retrieve_exception)
        return load

    async def _wait_for_lease(self, request: "LoadRequest", load: "SharedLoad") -> bytes:
        """Get the lease and load; or wait for who has it, and take over where that fails."""
        lease = LEASE + secrets.token_bytes(12)
        life = int((self.load_timeout + 1) * 1000)  # longer than the load can take
        try:
            while True:
                load.attempt += 1
                found = await self._write(request.entry, lease, life, IF_ABSENT, request.user_id)
                if found is None:
                    break
                load.answered_by = load.attempt
                if not found.startswith(LEASE):
                    return found
                if found in self._by_lease:
                    with contextlib.suppress(Exception):  # its own caller hears of that
                        return await asyncio.shield(self._by_lease[found].task)
                else:
                    await asyncio.sleep(POLL)
        except RedisUnavailable:
            lease = UNAVAILABLE
        finally:
            self._forget(self._pending, request.entry, load)
        if lease == UNAVAILABLE:
            return await self._load_without_redis(request, load)
        return await self._load_under_lease(lease, request, load)

    async def _load_under_lease(self, lease: bytes, request: "LoadRequest", load: "SharedLoad") -> bytes:
        """Load, and store where the lease still stands; otherwise only those who wait have the value."""
        load.answered_by = LOADED
        self._by_lease[lease] = load
        stored = False
        try:
            content = await self._call_loader(request)
            if len(content) <= self.max_bytes:
                with contextlib.suppress(RedisUnavailable):
                    await self._write(request.entry, content, request.lifetime, lease, request.user_id)
                    stored = True
            return content
        finally:
            del self._by_lease[lease]
            if not stored:
                with contextlib.suppress(RedisUnavailable):  # then it expires by itself
                    await self._run(RELEASE, [request.entry], lease)

    async def _load_without_redis(self, request: "LoadRequest", load: "SharedLoad") -> bytes:
        load.answered_by = LOADED
        self._without_redis[request.entry] = load
        try:
            return await self._call_loader(request)
        finally:
            self._forget(self._without_redis, request.entry, load)

    async def _call_loader(self, request: "LoadRequest") -> bytes:
        self.loads += 1
        waiting = request.loader()
        if not inspect.isawaitable(waiting):
            raise TypeError(
                f"the loader of {request.key!r} returned {type(waiting).__name__}, and nothing to await: make it an "
                "`async def`, or hand over `lambda: asyncio.to_thread(function)` where it blocks"
            )
        try:
            async with asyncio.timeout(self.load_timeout) as limit:
                value = await waiting
        except TimeoutError:
            if limit.expired():
                raise TimeoutError(f"the load of {request.key!r} took longer than {self.load_timeout:g} s") from None
            raise
        except asyncio.CancelledError:
            if (load := asyncio.current_task()) and load.cancelling():
                raise
            raise RuntimeError(f"the load of {request.key!r} cancelled itself") from None
        content = _encode(request.key, value)
        if len(content) > self.max_bytes:
            log.warning("%r is not cached: %d bytes, max_bytes is %d", request.key, len(content), self.max_bytes)
        return content

    @staticmethod
    def _forget(loads: dict[str, "SharedLoad"], entry: str, load: "SharedLoad") -> None:
        if loads.get(entry) is load:
            del loads[entry]

    # --- Redis ------------------------------------------------------------------------------------------------------

    async def _read(self, entry: str) -> bytes | None:
        """What stands under an entry: a value, a lease or nothing."""
        if self._missed_removals or self._applying:
            await self._apply_missed_removals()
        breaker = CircuitBreaker.of(self._redis)
        content: bytes | None = await breaker.call(self._redis.execute_command, "GET", entry, **BYTES)
        return content

    async def _write(
        self, entry: str, content: bytes, lifetime: int, condition: bytes, user_id: int | str | None
    ) -> bytes | None:
        """Write where the condition of `write.lua` holds, for `lifetime` milliseconds; else what stands there."""
        keys = [entry] if user_id is None else [entry, self._index(user_id)]
        found: bytes | None = await self._run(WRITE, keys, content, lifetime, condition, entry[len(self._entries) :])
        return found

    async def _remove(self, entry: str) -> bytes | None:
        breaker = CircuitBreaker.of(self._redis)
        content: bytes | None = await breaker.call(self._redis.execute_command, "GETDEL", entry, **BYTES)
        return content

    async def _remove_all(self, index: str) -> int:
        """Remove all entries of an index; how many there were."""
        removed, left = 0, 1
        while left:
            now_removed, left = await self._run(INVALIDATE, [index, self._entries], BATCH)
            removed += now_removed
        return removed

    async def _run(self, script: Script, keys: list[str], *arguments: str | bytes | float) -> Any:
        return await CircuitBreaker.of(self._redis).call(script.run, self._redis, keys, *arguments)

    # --- what Redis missed ------------------------------------------------------------------------------------------

    def _remember_missed(self, removed: str) -> None:
        if not self._missed_removals:
            log.warning("Redis missed a removal; nothing is read from it before that is made up for")
        self._missed_removals.add(removed)

    async def _apply_missed_removals(self) -> None:
        """Make up for the removals that Redis missed. RedisUnavailable until that is done: what it holds may be old."""
        if self._applying:
            raise RedisUnavailable("removals that Redis missed are being made up for")
        self._applying = True
        try:
            while self._missed_removals:
                removed = self._missed_removals.pop()
                try:
                    await (self._remove(removed) if removed.startswith(self._entries) else self._remove_all(removed))
                except BaseException:
                    self._missed_removals.add(removed)
                    raise
        finally:
            self._applying = False

    # --- names and lifetimes ----------------------------------------------------------------------------------------

    def _entry(self, key: str) -> str:
        if not isinstance(key, str):
            raise TypeError(f"a key is a string, not {key!r}")
        if not 0 < len(key) <= LONGEST_KEY:
            raise ValueError(f"a key has from 1 to {LONGEST_KEY:,} characters; {key[:40]!r} has {len(key):,}")
        return self._entries + key

    def _index(self, user_id: int | str) -> str:
        if isinstance(user_id, bool) or not isinstance(user_id, int | str) or user_id == "":
            raise TypeError(f"a user_id is a whole number or a string, not {user_id!r}")
        return f"{self._indexes}{user_id}"

    def _milliseconds(self, ttl: float | None) -> int:
        """A TTL (seconds) in milliseconds, shortened by the jitter."""
        seconds = self.ttl if ttl is None else _seconds("ttl", ttl)
        return max(int(1000 * seconds * (1 - self.jitter * random.random())), 1)


@dataclass(frozen=True)
class LoadRequest:
    """What one call of `get_or_set` asks for; `lifetime` in milliseconds."""

    key: str
    entry: str
    loader: Loader
    lifetime: int
    user_id: int | str | None


class SharedLoad:
    """A load of this process, or its wait for another process's, which many callers may join.

    Redis is asked again and again until it gives the lease or a value. A value holds for those who had joined before
    that question was put: to somebody who came later it may be what was invalidated before they came.
    """

    task: asyncio.Task[bytes]

    def __init__(self) -> None:
        self.attempt = 0
        self.answered_by: float = 0  # the attempt that a value answered; LOADED if a loader did


def _check_loader(loader: Loader) -> Loader:
    if inspect.iscoroutine(loader):
        loader.close()
        raise TypeError(f"hand over the loader itself, not its call: `{loader.__name__}` without parentheses")
    if not callable(loader):
        raise TypeError(f"a loader is an async function without arguments, not {loader!r}")
    return loader


def _encode(key: str, value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except TypeError as error:
        raise TypeError(f"the value of {key!r} cannot be stored as JSON: {error}") from None
    except (ValueError, RecursionError) as error:  # nan, a list inside itself, half a character
        raise ValueError(f"the value of {key!r} cannot be stored as JSON: {error}") from None


def _seconds(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not 0 < value <= LONGEST_TTL:
        raise ValueError(f"{name} is {value!r}: give seconds, more than 0 and no more than a year")
    return value


def _retrieve_exception(task: asyncio.Task[bytes]) -> None:
    """Where every caller was cancelled nobody else does, and asyncio would complain."""
    if not task.cancelled():
        task.exception()
