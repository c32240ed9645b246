"""Share one load between any number of concurrent misses, in this Cache and in others.

The life of a load, from the miss that starts it:

    ask for the lease --+-- granted ------------------------> call the loader, then store its value
        ^               |                                     if the lease is still there
        |               +-- the entry has a value ----------> return it
        |               +-- this Cache has the lease -------> await that load; ask again if it fails
        +-- in 5 ms <---+-- another Cache has the lease, for at most `timeout` + 1 s: then take it
                        +-- Redis is unavailable -----------> await a load that runs without Redis,
                                                              or call the loader; store nothing

A lease never outlives its load for long. It's released if the load fails or stores nothing. If the
reply to a request for it is lost, `missed_removals.py` releases it as soon as Redis can. If the
process dies, it expires.

A caller may join a load only if its value can't be older than the caller:

    _pending          it hasn't called the loader yet
    _by_lease         it's calling the loader, and the caller has just read its lease: no
                      invalidation has removed it
    _without_redis    it's calling the loader while Redis is unavailable; an invalidation by this
                      Cache closes it to new callers
"""

import asyncio
import contextlib
import logging
from typing import Any

from course_lib.cache.codec import Values
from course_lib.cache.contents import UNAVAILABLE, is_value, new_lease, new_refresh_lease
from course_lib.cache.loader import Loaded, LoadRequest, call_loader
from course_lib.cache.shard import ALWAYS, FRESH, GRANTED, IF_ABSENT
from course_lib.cache.store import Store
from course_lib.redis_client import RedisUnavailable

POLL = 0.005  # seconds between two requests for a lease that another Cache has
REPLY_LOST = {"timeout", "connection", "protocol"}  # so Redis may have granted the lease

log = logging.getLogger(__package__)


class SharedLoad:
    """A load of this Cache, which any number of callers can await.

    It asks for the lease until Redis grants it or returns a value. That value is new enough only
    for callers that joined before the attempt that returned it. Before a later caller joined, an
    invalidation may have removed it.
    """

    task: asyncio.Task[bytes]

    def __init__(self, request: LoadRequest) -> None:
        self.request = request
        self.attempt = 0  # requests for the lease so far
        self.answered_by = 0  # the last attempt that didn't get the lease
        self.called_loader = False

    def is_new_enough(self, attempt: int) -> bool:
        """Return True if a caller that joined at this attempt may have the value.

        The attempt under way doesn't count: Redis may have answered it before the caller joined.
        """
        return self.called_loader or self.answered_by > attempt

    def is_of_this_loop(self) -> bool:
        """Return True if the running event loop runs it, so that its task can be awaited here."""
        return self.task.get_loop() is asyncio.get_running_loop()


class SharedLoads:
    """The loads that are running in this Cache, and which of them a caller may join."""

    def __init__(self, store: Store, values: Values) -> None:
        self.calls = 0
        """The number of times that a loader was called."""
        self._store = store
        self._values = values
        self._pending: dict[bytes, SharedLoad] = {}  # by key
        self._by_lease: dict[bytes, SharedLoad] = {}
        self._without_redis: dict[bytes, SharedLoad] = {}  # by key
        self._tasks: set[asyncio.Task[Any]] = set()

    async def join_or_start(self, request: LoadRequest, content: bytes | None) -> tuple[bytes, str]:
        """Return an entry's content, and "miss" if this call ran the loader, else "wait".

        `content` is what the caller has just read from the entry: a lease, None or UNAVAILABLE.
        """
        retried = False
        while not is_value(content):
            joined = self._joinable(request.stored_key, content)
            load = joined or self._start_load(request, content)
            attempt = load.attempt
            try:
                loaded = await asyncio.shield(load.task)
            except Exception:
                if not joined or retried:
                    raise
                retried = True
            else:
                if not joined:
                    outcome = "miss" if load.called_loader else "wait"
                    return loaded, outcome
                if load.is_new_enough(attempt):
                    return loaded, "wait"
            content = await self._store.read(request.stored_key)
        return content, "wait"

    def close_loads_without_redis(self, key: bytes | None = None) -> None:
        """Let no new caller join a load without Redis, of one key or all: it may be stale now.

        A load with a lease closes by itself, because a removal takes its lease away.
        """
        if key is None:
            self._without_redis.clear()
        else:
            self._without_redis.pop(key, None)

    async def read_or_refresh(self, request: LoadRequest) -> tuple[bytes | None, str]:
        """Return what an entry holds, and "stale" or "hit". Start a load if one has to refresh it.

        Callers don't wait for that load. If it fails, the next one starts after its time limit.
        """
        lease = new_refresh_lease()
        content, state = await self._store.refresh(
            request.stored_key, lease, request.lease_ms, request.stale_ms
        )
        if state == GRANTED:
            self._keep(asyncio.create_task(self._refresh(request, lease)))
        return content, "hit" if state == FRESH else "stale"

    async def wait(self) -> None:
        """Wait until the loads that are running have ended; each ends within its time limit."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        if tasks:
            await asyncio.wait(tasks)

    def _joinable(self, key: bytes, content: bytes | None) -> SharedLoad | None:
        """Return a load of this entry that a caller that starts now may join, if there is one."""
        if content == UNAVAILABLE:
            load = self._without_redis.get(key)
        elif content is not None and content in self._by_lease:
            load = self._by_lease[content]
        else:
            load = self._pending.get(key)
        return load if load and load.is_of_this_loop() else None

    def _start_load(self, request: LoadRequest, content: bytes | None) -> SharedLoad:
        """Start a load in a task of its own, so that it goes on if its caller is cancelled."""
        load = SharedLoad(request)
        if content == UNAVAILABLE:
            self._without_redis[request.stored_key] = load
            load.task = asyncio.create_task(self._load_without_redis(load))
        else:
            self._pending[request.stored_key] = load
            load.task = asyncio.create_task(self._load_when_granted(load))
        load.task.add_done_callback(_retrieve_exception)
        self._keep(load.task)
        return load

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """Keep a task until it has ended: the event loop alone could drop it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load_when_granted(self, load: SharedLoad) -> bytes:
        """Wait for the lease and load under it, or return content that another load stored."""
        lease = new_lease()
        content: bytes | None = UNAVAILABLE
        try:
            content = await self._wait_for_lease(load, lease)
        except RedisUnavailable as error:
            if error.reason in REPLY_LOST:
                self._store.release_later(load.request.stored_key, lease)
        except asyncio.CancelledError:
            self._store.release_later(load.request.stored_key, lease)
            raise
        finally:
            _forget(self._pending, load)
        # Both loads add themselves to a dict before they await, so each miss finds them in one.
        if content is None:
            return await self._load_under_lease(load, lease)
        if content == UNAVAILABLE:
            return await self._share_without_redis(load)
        return content

    async def _wait_for_lease(self, load: SharedLoad, lease: bytes) -> bytes | None:
        """Ask for the lease until Redis grants it. Return a value that's there instead."""
        request = load.request
        take_at = asyncio.get_running_loop().time() + request.lease_ms / 1000
        while True:
            load.attempt += 1
            # No lease of one load lasts longer; but there may be one failed load after another.
            waited_enough = asyncio.get_running_loop().time() > take_at
            condition = ALWAYS if waited_enough else IF_ABSENT
            content = await self._store.write(
                request.stored_key, lease, request.lease_ms, condition, request.user
            )
            if content is None:
                return None
            load.answered_by = load.attempt
            if is_value(content):
                return content
            running = self._by_lease.get(content)
            if running and running.is_of_this_loop():
                # If that load fails, the error is raised in the caller that started it.
                with contextlib.suppress(Exception):
                    return await asyncio.shield(running.task)
            else:
                await asyncio.sleep(POLL)

    async def _load_under_lease(self, load: SharedLoad, lease: bytes) -> bytes:
        """Call the loader, and store its value if the lease is still there."""
        request = load.request
        load.called_loader = True
        self._by_lease[lease] = load
        lease_is_gone = False
        try:
            loaded = await self._call_loader(request)
            if loaded.ms:
                if not await self._store_loaded(request, loaded, lease):
                    self._store.release_later(request.stored_key, lease)  # no caller waits for it
                lease_is_gone = True
            return loaded.content
        finally:
            del self._by_lease[lease]
            if not lease_is_gone:
                await self._store.release(request.stored_key, lease)

    async def _refresh(self, request: LoadRequest, lease: bytes) -> None:
        """Call the loader, and replace the stale value if the lease is still in front of it."""
        try:
            loaded = await self._call_loader(request)
        except Exception as error:
            log.warning("%r is stale, and refreshing it failed: %r", request.key, error)
            return
        if loaded.ms:
            await self._store_loaded(request, loaded, lease)
        else:
            await self._store.release(request.stored_key, lease)

    async def _store_loaded(self, request: LoadRequest, loaded: Loaded, lease: bytes) -> bool:
        """Store a loaded value if the lease is still there. Return False if Redis fails."""
        try:
            await self._store.write(
                request.stored_key, loaded.content, loaded.ms, lease, request.user
            )
        except RedisUnavailable:
            return False
        return True

    async def _share_without_redis(self, load: SharedLoad) -> bytes:
        """Return the value of a load that runs without Redis, or start one."""
        running = self._without_redis.get(load.request.stored_key)
        if running and running.is_of_this_loop():
            with contextlib.suppress(Exception):
                content = await asyncio.shield(running.task)
                load.answered_by = load.attempt + 1  # as new as any value without Redis
                return content
        return await self._load_without_redis(load)

    async def _load_without_redis(self, load: SharedLoad) -> bytes:
        """Call the loader, for the callers in this Cache only."""
        key = load.request.stored_key
        load.called_loader = True
        self._without_redis[key] = load
        try:
            loaded = await self._call_loader(load.request)
            return loaded.content
        finally:
            _forget(self._without_redis, load)

    async def _call_loader(self, request: LoadRequest) -> Loaded:
        self.calls += 1
        return await call_loader(request, self._values)


def _forget(loads: dict[bytes, SharedLoad], load: SharedLoad) -> None:
    """Remove a load from a dict, unless a newer load of the same entry has replaced it."""
    key = load.request.stored_key
    if loads.get(key) is load:
        del loads[key]


def _retrieve_exception(task: asyncio.Task[bytes]) -> None:
    """Retrieve a load's exception, or asyncio logs it as lost when all callers were cancelled."""
    if not task.cancelled():
        task.exception()
