"""Share one load between any number of concurrent misses, in this process and in others.

The life of a load, from the miss that starts it:

    ask for the lease --+-- granted ------------------------> call the loader, then store its value
        ^               |                                     if the lease is still there
        |               +-- the entry has a value ----------> return it
        |               +-- this process has the lease -----> await that load; ask again if it fails
        +-- in 5 ms <---+-- another process has the lease
                        +-- Redis is unavailable -----------> call the loader, store nothing

A caller may join a load only if its value can't be older than the caller:

    _pending          it hasn't called the loader yet
    _by_lease         it's calling the loader, and the caller has just read its lease: no
                      invalidation has removed it
    _without_redis    it's calling the loader while Redis is unavailable; an invalidation by this
                      process closes it to new callers
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from course_lib.cache.codec import encode
from course_lib.cache.store import IF_ABSENT, UNAVAILABLE, Store, is_value, new_lease
from course_lib.redis_client import RedisUnavailable

POLL = 0.005  # seconds between two requests for a lease that another process has

log = logging.getLogger(__package__)

Loader = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class LoadRequest:
    """A request for a load, from a call of `get_or_set` that missed."""

    key: str
    entry: str
    loader: Loader
    milliseconds: int  # until the value expires
    user_id: int | str | None
    timeout: float  # seconds for the loader
    max_bytes: int


class SharedLoad:
    """A load of this process, which any number of callers can await.

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
        """Return True if the value is no older than a caller that joined at this attempt."""
        return self.called_loader or self.answered_by > attempt


class SharedLoads:
    """The loads that are running in this process, and which of them a caller may join."""

    def __init__(self, store: Store) -> None:
        self.calls = 0
        """The number of times that a loader was called."""
        self._store = store
        self._pending: dict[str, SharedLoad] = {}  # by entry
        self._by_lease: dict[bytes, SharedLoad] = {}
        self._without_redis: dict[str, SharedLoad] = {}  # by entry

    async def get(self, request: LoadRequest, content: bytes | None) -> tuple[bytes, str]:
        """Return an entry's value, and "miss" if this call ran the loader, else "wait".

        `content` is what the caller has just read from the entry: a lease, None or UNAVAILABLE.
        """
        retried = False
        while not is_value(content):
            joined = self._joinable(request.entry, content)
            load = joined or self._start_load(request, content)
            attempt = load.attempt
            try:
                value = await asyncio.shield(load.task)
            except Exception:
                if not joined or retried:
                    raise
                retried = True
            else:
                if not joined:
                    outcome = "miss" if load.called_loader else "wait"
                    return value, outcome
                if load.is_new_enough(attempt):
                    return value, "wait"
            content = await self._store.read(request.entry)
        return content, "wait"

    def close_to_new_callers(self) -> None:
        """Let no new caller join a load that runs without Redis: its value may be stale now.

        A load with a lease closes by itself, because a removal takes its lease away.
        """
        self._without_redis.clear()

    def _joinable(self, entry: str, content: bytes | None) -> SharedLoad | None:
        """Return a load of this entry that a caller that starts now may join, if there is one."""
        if content == UNAVAILABLE:
            return self._without_redis.get(entry)
        if content is not None and content in self._by_lease:
            return self._by_lease[content]
        return self._pending.get(entry)

    def _start_load(self, request: LoadRequest, content: bytes | None) -> SharedLoad:
        """Start a load in a task of its own, so that it goes on if its caller is cancelled."""
        load = SharedLoad(request)
        if content == UNAVAILABLE:
            self._without_redis[request.entry] = load
            load.task = asyncio.create_task(self._load_without_redis(load))
        else:
            self._pending[request.entry] = load
            load.task = asyncio.create_task(self._wait_for_lease(load))
        load.task.add_done_callback(_retrieve_exception)
        return load

    async def _wait_for_lease(self, load: SharedLoad) -> bytes:
        """Wait for the lease and load under it, or return a value that another load has stored."""
        request = load.request
        lease = new_lease()
        available = True
        expires = int((request.timeout + 1) * 1000)  # ms, and so after the loader has timed out
        try:
            while True:
                load.attempt += 1
                content = await self._store.write(
                    request.entry, lease, expires, IF_ABSENT, request.user_id
                )
                if content is None:
                    break
                load.answered_by = load.attempt
                if is_value(content):
                    return content
                if content in self._by_lease:
                    # If that load fails, the error is raised in the caller that started it.
                    with contextlib.suppress(Exception):
                        return await asyncio.shield(self._by_lease[content].task)
                else:
                    await asyncio.sleep(POLL)
        except RedisUnavailable:
            available = False
        finally:
            _forget(self._pending, load)
        # Both add the load to their dict before they await anything, so each miss finds it in one.
        if available:
            return await self._load_under_lease(load, lease)
        return await self._load_without_redis(load)

    async def _load_under_lease(self, load: SharedLoad, lease: bytes) -> bytes:
        """Call the loader, and store its value if the lease is still there."""
        request = load.request
        load.called_loader = True
        self._by_lease[lease] = load
        stored = False
        try:
            value = await self._call_loader(request)
            if len(value) <= request.max_bytes:
                with contextlib.suppress(RedisUnavailable):
                    await self._store.write(
                        request.entry, value, request.milliseconds, lease, request.user_id
                    )
                    stored = True
            return value
        finally:
            del self._by_lease[lease]
            if not stored:
                with contextlib.suppress(RedisUnavailable):  # then the lease expires
                    await self._store.release(request.entry, lease)

    async def _load_without_redis(self, load: SharedLoad) -> bytes:
        """Call the loader, for the callers in this process only."""
        load.called_loader = True
        self._without_redis[load.request.entry] = load
        try:
            return await self._call_loader(load.request)
        finally:
            _forget(self._without_redis, load)

    async def _call_loader(self, request: LoadRequest) -> bytes:
        """Return the loader's value as JSON. Raises what the loader does, or TimeoutError."""
        self.calls += 1
        awaitable = request.loader()
        if not inspect.isawaitable(awaitable):
            raise TypeError(
                f"the loader of {request.key!r} returned {type(awaitable).__name__}, which can't "
                "be awaited: make it an `async def`, or if it blocks, pass "
                "`lambda: asyncio.to_thread(function)`"
            )
        try:
            async with asyncio.timeout(request.timeout) as time_limit:
                value = await awaitable
        except TimeoutError:
            if not time_limit.expired():
                raise
            raise TimeoutError(
                f"the load of {request.key!r} took longer than {request.timeout:g} s"
            ) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise RuntimeError(f"the load of {request.key!r} cancelled itself") from None
        content = encode(request.key, value)
        size = len(content)
        if size > request.max_bytes:
            log.warning(
                "%r is not cached: %d bytes, max_bytes is %d", request.key, size, request.max_bytes
            )
        return content


def check_loader(loader: Loader) -> None:
    """Raise TypeError if a loader can't be called."""
    if inspect.iscoroutine(loader):
        loader.close()
        name = loader.__name__
        raise TypeError(
            f"pass the function, not the result of calling it: `{name}`, not `{name}()`"
        )
    if not callable(loader):
        raise TypeError(f"loader must be an async function without arguments, not {loader!r}")


def _forget(loads: dict[str, SharedLoad], load: SharedLoad) -> None:
    """Remove a load from a dict, unless a newer load of the same entry has replaced it."""
    entry = load.request.entry
    if loads.get(entry) is load:
        del loads[entry]


def _retrieve_exception(task: asyncio.Task[bytes]) -> None:
    """Retrieve a load's exception, or asyncio logs it as lost when all callers were cancelled."""
    if not task.cancelled():
        task.exception()
