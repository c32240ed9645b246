"""Remember what Redis didn't remove, and remove it as soon as Redis can.

A removal that Redis missed leaves a stale value, so all reads are misses while one is pending:

    a removal failed --> pending --+-- a task of its own tries again --+--> done: reads go to Redis
                           ^       |                                   |
                           +-------+---------- Redis failed -----------+

No request waits for this task, so the first one after an outage is as fast as the others. Beyond
`MOST_NAMES` the shard is cleared as a whole instead, so memory stays bounded.

The task also releases *lost leases*. Redis may have granted them, but the reply didn't arrive.
They hold no value, so reads needn't wait for their release. It's done again `LATE` seconds later,
because the request for a lease may have been delayed until after its release.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

MOST_NAMES = 1_000
BATCH = 250  # entries removed by one command, because all other clients wait for it
MISSED = "An invalidation didn't reach Redis"
RETRY = 0.05  # seconds; while the breaker is open, a try costs microseconds
LATE = 0.5  # seconds

log = logging.getLogger(__package__)


class MissedRemovals:
    """The removals that one shard has still to make. The three functions raise if Redis fails."""

    def __init__(
        self,
        remove: Callable[[list[bytes]], Awaitable[None]],
        clear: Callable[[], Awaitable[None]],
        release: Callable[[bytes, bytes], Awaitable[None]],
    ) -> None:
        self.pending = False
        """True while Redis may hold a value that should have been removed."""
        self._remove = remove
        self._clear = clear
        self._release = release
        self._names: set[bytes] = set()  # of entries and indexes
        self._everything = False
        self._lost_leases: dict[bytes, bytes] = {}  # the key of each lease
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False

    def remember(self, name: bytes) -> None:
        """Remember an entry or an index that Redis didn't remove."""
        self.pending = True
        if not self._everything:
            self._names.add(name)
        if len(self._names) > MOST_NAMES:
            log.warning("Over %d removals are pending; clearing the namespace instead", MOST_NAMES)
            self.remember_everything()
        self.resume()

    def remember_everything(self) -> None:
        """Remember that Redis didn't clear the shard."""
        self.pending = True
        self._everything = True
        self._names.clear()
        self.resume()

    def remember_lease(self, key: bytes, lease: bytes) -> None:
        """Remember a lease to release, twice. Beyond `MOST_NAMES`, a lease is left to expire."""
        self._is_stopped = False
        self._release_soon(key, lease)
        asyncio.get_running_loop().call_later(LATE, self._release_soon, key, lease)

    def resume(self) -> None:
        """Start the task, unless it's running in an event loop that runs."""
        task = self._task
        if task is None or task.done() or not task.get_loop().is_running():
            self._task = asyncio.create_task(self._retry_until_done())

    async def stop(self) -> None:
        """Stop trying, and log what can't be removed any more."""
        self._is_stopped = True
        task = self._task
        if task and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        if self.pending:
            log.warning("Closed with removals pending: Redis holds stale values until their TTL")

    def _release_soon(self, key: bytes, lease: bytes) -> None:
        if self._is_stopped:
            return
        if len(self._lost_leases) < MOST_NAMES:
            self._lost_leases[lease] = key
        self.resume()

    async def _retry_until_done(self) -> None:
        loop = asyncio.get_running_loop()
        has_warned = False
        last_error = ""
        while self.pending or self._lost_leases:
            try:
                await self._release_lost_leases()
                await self._apply()
            except Exception as error:
                if loop.is_closed():
                    return  # it ended during the call, and what asyncio raises then isn't a failure
                # Only now: if the caller was cancelled, Redis is well, and there's nothing to say.
                if self.pending and not has_warned:
                    log.warning("%s; treating reads as misses until it is applied", MISSED)
                    has_warned = True
                kind = type(error).__name__
                if kind not in ("RedisUnavailable", last_error):
                    log.error("Pending removals fail (%s: %s); retrying", kind, error)
                    last_error = kind
                await asyncio.sleep(RETRY)

    async def _release_lost_leases(self) -> None:
        for lease, key in list(self._lost_leases.items()):
            await self._release(key, lease)
            del self._lost_leases[lease]

    async def _apply(self) -> None:
        """Remove everything that is pending.

        What is being removed is forgotten first: a removal of the same name that Redis misses
        from now on has to be remembered on its own.
        """
        while self._everything or self._names:
            if self._everything:
                self._everything = False
                try:
                    await self._clear()
                except BaseException:
                    self._everything = True
                    raise
            size = min(BATCH, len(self._names))
            batch = [self._names.pop() for _ in range(size)]
            try:
                await self._remove(batch)
            except BaseException:
                self._names.update(batch)
                raise
        self.pending = False
