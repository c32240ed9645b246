"""Run a load: get the lease of its entry, call the loader, and store its value.

The life of a load, from the miss that starts it:

    ask for the lease --+-- granted ------------------------> call the loader, then store its value
        ^               |                                     if the lease is still there
        |               +-- the entry has a value ----------> return it
        |               +-- this Cache has the lease -------> await that load; ask again if it fails
        +-- in 5 ms <---+-- another Cache has the lease, for at most `timeout` + 1 s: then take it
                        +-- Redis is unavailable -----------> await a load that runs without Redis,
                                                              or call the loader; store nothing

`_wait_for_lease` is the left half of the picture, and `run` chooses what is to its right.

A lease never outlives its load for long. It's released if the load fails or stores nothing. If the
reply to a request for it is lost, `missed_removals.py` releases it as soon as Redis can. If the
process dies, nothing renews it any more (`lease_renewal.py`), so it expires after a few seconds.
"""

import asyncio
import contextlib
import functools
import logging

from course_lib.cache.codec import Values
from course_lib.cache.contents import UNAVAILABLE, is_value, new_lease
from course_lib.cache.joinable_loads import JoinableLoads, SharedLoad
from course_lib.cache.lease_renewal import LeaseRenewal
from course_lib.cache.loader import Loaded, LoadRequest, call_loader
from course_lib.cache.shard import ALWAYS, IF_ABSENT
from course_lib.cache.store import Store
from course_lib.redis_client import RedisUnavailable

POLL = 0.005  # seconds between two requests for a lease that another Cache has
REPLY_LOST = {"timeout", "connection", "protocol"}  # so Redis may have granted the lease

LAPSED = (
    "is not stored: its load blocked the event loop, so its lease lapsed; run what blocks in "
    "asyncio.to_thread"
)

log = logging.getLogger(__package__)


class LoadRunner:
    """Runs the loads of one Cache. `joinable` says in which phase each of them is."""

    def __init__(self, store: Store, values: Values, joinable: JoinableLoads) -> None:
        self.calls = 0
        """The number of times that a loader was called."""
        self._store = store
        self._values = values
        self._joinable = joinable

    async def run(self, load: SharedLoad) -> bytes:
        """Load under the lease, or without Redis, or return content that another load stored."""
        lease = new_lease()
        try:
            content = await self._wait_for_lease(load, lease)
        finally:
            self._joinable.pending.leave(load.request.stored_key, load)
        # What follows enters its phase before it awaits, so a miss always finds the load in one.
        if content is None:
            return await self._load_under_lease(load, lease)
        if content == UNAVAILABLE:
            return await self._share_without_redis(load)
        return content

    async def run_without_redis(self, load: SharedLoad) -> bytes:
        """Call the loader, for the callers in this Cache only."""
        key = load.request.stored_key
        load.called_loader = True
        self._joinable.without_redis.enter(key, load)
        try:
            loaded = await self._call_loader(load.request)
            return loaded.content
        finally:
            self._joinable.without_redis.leave(key, load)

    async def refresh(self, request: LoadRequest, lease: bytes) -> None:
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

    async def _wait_for_lease(self, load: SharedLoad, lease: bytes) -> bytes | None:
        """Ask until Redis grants the lease, then return None.

        Return the entry's value if there is one, or UNAVAILABLE if Redis fails.
        """
        loop = asyncio.get_running_loop()
        take_at = loop.time() + load.request.longest_ms / 1000
        while True:
            # No load takes longer; but there may be one failed load after another.
            waited_enough = loop.time() > take_at
            condition = ALWAYS if waited_enough else IF_ABSENT
            content = await self._request_lease(load, lease, condition)
            if content is None or content == UNAVAILABLE or is_value(content):
                return content
            holder = self._joinable.under_lease.find(content)
            if holder:
                # If that load fails, the error is raised in the caller that started it.
                with contextlib.suppress(Exception):
                    return await asyncio.shield(holder.task)
            else:
                await asyncio.sleep(POLL)

    async def _request_lease(
        self, load: SharedLoad, lease: bytes, condition: bytes
    ) -> bytes | None:
        """Ask for the lease once. Return None if it's granted, else what the entry holds.

        If Redis fails, return UNAVAILABLE.
        """
        request = load.request
        load.attempt += 1
        try:
            content = await self._store.write(
                request.stored_key, lease, request.lease_ms, condition, request.user
            )
        except RedisUnavailable as error:
            if error.reason in REPLY_LOST:
                self._store.release_later(request.stored_key, lease)
            return UNAVAILABLE
        except asyncio.CancelledError:
            self._store.release_later(request.stored_key, lease)
            raise
        if content is not None:
            load.answered_by = load.attempt
        return content

    async def _load_under_lease(self, load: SharedLoad, lease: bytes) -> bytes:
        """Call the loader, and store its value if the lease is still there."""
        request = load.request
        load.called_loader = True
        self._joinable.under_lease.enter(lease, load)
        renewal = LeaseRenewal(functools.partial(self._renew_lease, request, lease))
        needs_release = True
        try:
            loaded = await self._call_loader(request)
            if renewal.has_lapsed(request.lease_ms):
                log.warning("%r %s", request.key, LAPSED)
            if loaded.ms:
                if not await self._store_loaded(request, loaded, lease):
                    self._store.release_later(request.stored_key, lease)  # no caller waits for it
                needs_release = False
            return loaded.content
        finally:
            renewal.stop()
            self._joinable.under_lease.leave(lease, load)
            if needs_release:
                await self._store.release(request.stored_key, lease)

    async def _renew_lease(self, request: LoadRequest, lease: bytes) -> bool:
        """Start the lease's TTL again. Return False if the lease has gone."""
        try:
            held = await self._store.write(
                request.stored_key, lease, request.lease_ms, lease, request.user
            )
        except RedisUnavailable:
            return True
        return held is None

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
        running = self._joinable.without_redis.find(load.request.stored_key)
        if running:
            with contextlib.suppress(Exception):
                content = await asyncio.shield(running.task)
                load.answered_by = load.attempt + 1  # as new as any value without Redis
                return content
        return await self.run_without_redis(load)

    async def _call_loader(self, request: LoadRequest) -> Loaded:
        self.calls += 1
        return await call_loader(request, self._values)
