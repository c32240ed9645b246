"""Keep entries, leases and the index of each user's entries in Redis, and have a policy without it.

The keys are in `shard.py`. The life of an entry; an invalidation can remove a value or a lease at
any point:

    nothing --+-- a load asks for the lease --> lease --+-- loaded, lease still there --> value
              |                                         +-- the load failed ------------> nothing
              +-- set --> value                         +-- the process died: expires --> nothing

With `stale`, a value that is past its TTL stays for a while, and one load at a time refreshes it:

    value --> stale --+-- a load takes the lease --> lease and value --+-- loaded ----> value
                      |                                                +-- it failed -> stale
                      +-- `stale` seconds have passed --> nothing

If Redis fails, a read is a miss, and a removal is remembered: see `missed_removals.py`.
`redis_client/refusals.py` has the errors that count as a failure of Redis.

Each entry is in the shard that its key decides on. A user's entries may be in any, so each shard
has an index of its own for that user.
"""

import asyncio
import contextlib
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

from redis.asyncio import Redis

from course_lib.cache.contents import UNAVAILABLE
from course_lib.cache.shard import ALWAYS, FRESH, Shard
from course_lib.checks import check_count, check_namespace, check_text, check_user_id, encoded
from course_lib.redis_client import RedisUnavailable, check_client, check_reads_from_primaries

LONGEST_KEY = 1_024  # characters
MOST_SHARDS = 1_024
MOST_BYTES = 512 * 2**20  # that Redis takes for a value

UserId = int | str | UUID

log = logging.getLogger(__package__)


class Store:
    """The entries of one namespace.

    Keys and users are passed as bytes, as `checked_key` and `checked_user` return them.
    """

    def __init__(self, redis: Redis, namespace: str, shards: int) -> None:
        check_client(redis)
        check_reads_from_primaries(redis)
        check_namespace(namespace)
        check_count("shards", shards, MOST_SHARDS)
        self.unavailable: Counter[str] = Counter()
        """The number of times that a policy stood in for Redis, by reason."""
        self._shards = []
        for number in range(shards):
            # A namespace may have the same name as a shard, so the rest of the prefix differs.
            only = f"{{{namespace}}}:"
            prefix = only if shards == 1 else f"{{{namespace}:{number}}}shard:"
            self._shards.append(Shard(redis, prefix.encode()))

    async def read(self, key: bytes) -> bytes | None:
        """Return what an entry holds: a value, a lease, or None. If Redis fails, UNAVAILABLE."""
        shard = self._shard(key)
        if shard.missed.pending:
            return self._unavailable_until_removed(shard)
        try:
            return await shard.read(key)
        except RedisUnavailable as error:
            self.unavailable[error.reason] += 1
            return UNAVAILABLE

    async def refresh(
        self, key: bytes, lease: bytes, lease_ms: int, stale_ms: int
    ) -> tuple[bytes, int]:
        """Do what `Shard.refresh` does. If Redis fails, return UNAVAILABLE and FRESH."""
        shard = self._shard(key)
        if shard.missed.pending:
            return self._unavailable_until_removed(shard), FRESH
        try:
            return await shard.refresh(key, lease, lease_ms, stale_ms)
        except RedisUnavailable as error:
            self.unavailable[error.reason] += 1
            return UNAVAILABLE, FRESH

    async def write(
        self, key: bytes, content: bytes, ttl_ms: int, condition: bytes, user: bytes | None
    ) -> bytes | None:
        """Do what `Shard.write` does. Raises RedisUnavailable, after counting it."""
        try:
            return await self._shard(key).write(key, content, ttl_ms, condition, user)
        except RedisUnavailable as error:
            self.unavailable[error.reason] += 1
            raise

    async def replace(self, key: bytes, content: bytes, ttl_ms: int, user: bytes | None) -> None:
        """Write a value. If Redis fails, remember to remove the value that's there."""
        shard = self._shard(key)
        with self._policy(lambda: shard.missed.remember(shard.entry(key))):
            await shard.write(key, content, ttl_ms, ALWAYS, user)

    async def release(self, key: bytes, lease: bytes) -> None:
        """Remove an entry that still holds a lease. If Redis fails, try again later."""
        try:
            await self._shard(key).release(key, lease)
        except BaseException as error:
            self.release_later(key, lease)
            if not isinstance(error, RedisUnavailable):
                raise

    def release_later(self, key: bytes, lease: bytes) -> None:
        """Release a lease in the background, as soon as Redis can."""
        self._shard(key).missed.remember_lease(key, lease)

    async def remove(self, key: bytes) -> bytes | None:
        """Remove an entry and return what it held. If Redis fails, remember it."""
        shard = self._shard(key)
        with self._policy(lambda: shard.missed.remember(shard.entry(key))):
            return await shard.remove(key)
        return None

    async def remove_unreadable(self, key: bytes, error: Exception) -> None:
        """Remove an entry that this cache can't have stored, and log it."""
        log.warning("Removing %r from the cache: %s", key, error)
        await self.remove(key)

    async def remove_user(self, user: bytes) -> int:
        """Remove all of a user's entries and return their number. If Redis fails, remember it."""
        removals = [self._remove_index(shard, user) for shard in self._shards]
        try:
            return sum(await asyncio.gather(*removals))
        except asyncio.CancelledError:  # maybe before any of them began
            for shard in self._shards:
                shard.missed.remember(shard.index(user))
            raise

    async def clear(self) -> None:
        """Let no entry count that was written so far. If Redis fails, remember it."""
        try:
            await asyncio.gather(*[self._clear(shard) for shard in self._shards])
        except asyncio.CancelledError:
            for shard in self._shards:
                shard.missed.remember_everything()
            raise

    async def aclose(self) -> None:
        """Stop making up for removals."""
        for shard in self._shards:
            await shard.missed.stop()

    async def _remove_index(self, shard: Shard, user: bytes) -> int:
        index = shard.index(user)
        with self._policy(lambda: shard.missed.remember(index)):
            return await shard.remove_index(index)
        return 0

    async def _clear(self, shard: Shard) -> None:
        with self._policy(shard.missed.remember_everything):
            await shard.clear()

    def _shard(self, key: bytes) -> Shard:
        if len(self._shards) == 1:
            return self._shards[0]
        return self._shards[zlib.crc32(key) % len(self._shards)]

    def _unavailable_until_removed(self, shard: Shard) -> bytes:
        shard.missed.resume()
        self.unavailable["removals"] += 1
        return UNAVAILABLE

    @contextlib.contextmanager
    def _policy(self, remember: Callable[[], None]) -> Iterator[None]:
        """Count RedisUnavailable and call `remember`, which any other failure calls too."""
        try:
            yield
        except RedisUnavailable as error:
            self.unavailable[error.reason] += 1
            remember()
        except BaseException:  # if it was cancelled, Redis may not have received the command
            remember()
            raise


def checked_key(key: str) -> bytes:
    """Return a key as bytes. Raises TypeError or ValueError if it's invalid."""
    check_text("key", key)
    if not 0 < len(key) <= LONGEST_KEY:
        start = key[:40]
        raise ValueError(
            f"a key has from 1 to {LONGEST_KEY:,} characters; {start!r} has {len(key):,}"
        )
    return encoded("key", key)


def checked_user(user_id: UserId) -> bytes:
    """Return a user's ID as bytes. Raises TypeError or ValueError if it isn't an ID."""
    return encoded("user_id", check_user_id(user_id))
