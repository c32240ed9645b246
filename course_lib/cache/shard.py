"""Send the commands for one shard of a namespace: one slot of a Redis Cluster.

Keys, for a namespace `cache` with one shard; with several, they begin with `{cache:0}shard:`:

    {cache}:entry:<key>      a value, the lease of a load, or both: see `contents.py`
    {cache}:user:<user_id>   the index of a user's entries, values and leases alike: a sorted set,
                             by expiry time. So an invalidation finds running loads too
    {cache}:mark             a random mark, replaced by `clear`: an entry without it doesn't count

The braces keep a shard in one slot, because a script can only use one.
"""

import logging
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from course_lib.cache.contents import new_mark
from course_lib.cache.missed_removals import BATCH, MissedRemovals
from course_lib.redis_client import CircuitBreaker, RedisUnavailable, Script

IF_ABSENT, ALWAYS = b"", b"*"  # conditions of `write`; the third is a lease
FRESH, STALE, GRANTED = 0, 1, 2  # what `refresh` found; the last took the lease
OF_ANOTHER_TYPE = 1  # what `write.lua` returns if it replaced a list, a hash or the like

WRITE = Script(__package__, "write")
RELEASE = Script(__package__, "release")
REMOVE = Script(__package__, "remove")
INVALIDATE = Script(__package__, "invalidate")
REFRESH = Script(__package__, "refresh")

log = logging.getLogger(__package__)


class Shard:
    """The entries of one shard. Each call is one round trip, unless it says otherwise.

    Keys and users are bytes. Every call raises RedisUnavailable.
    """

    def __init__(self, redis: Redis, prefix: bytes) -> None:
        self.missed = MissedRemovals(self.remove_names, self.clear, self.release)
        self._redis = redis
        self._mark = prefix + b"mark"
        self._entries = prefix + b"entry:"
        self._indexes = prefix + b"user:"

    def entry(self, key: bytes) -> bytes:
        """Return the name of an entry."""
        return self._entries + key

    def index(self, user: bytes) -> bytes:
        """Return the name of a user's index."""
        return self._indexes + user

    async def read(self, key: bytes) -> bytes | None:
        """Return what an entry holds: a value, a lease, or None."""
        mark, content = await self._send("MGET", self._mark, self._entries + key)
        if mark is None or content is None:
            return content  # type: ignore[no-any-return]
        return content[len(mark) :] if content.startswith(mark) else None

    async def refresh(
        self, key: bytes, lease: bytes, lease_ms: int, stale_ms: int
    ) -> tuple[bytes, int]:
        """Read an entry, and take the lease to refresh it if its TTL ends in `stale_ms` or less.

        Return what it holds, and FRESH, STALE (another load refreshes it) or GRANTED.
        """
        keys = [self._entries + key, self._mark]
        content, state = await REFRESH.run(self._redis, keys, stale_ms, lease, lease_ms)
        return content, state

    async def write(
        self, key: bytes, content: bytes, ttl_ms: int, condition: bytes, user: bytes | None
    ) -> bytes | None:
        """Write a value or a lease, if the condition holds, to expire after `ttl_ms`.

        The condition is IF_ABSENT, ALWAYS, or the lease that must still be there. Return None if
        the content was written, else what the entry holds, empty if nothing.
        """
        keys = [self._entries + key, self._mark]
        if user is not None:
            keys.append(self._indexes + user)
        arguments = (content, ttl_ms, condition, key)
        try:
            held = await WRITE.run(self._redis, keys, *arguments)
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            await self._replace_index(keys[-1])
            held = await self._write_again(keys, *arguments)
        if held == OF_ANOTHER_TYPE:
            log.warning("Replaced %r, which wasn't stored by this cache", keys[0])
            return None
        return held  # type: ignore[no-any-return]

    async def release(self, key: bytes, lease: bytes) -> None:
        """Remove an entry that still holds a lease."""
        await RELEASE.run(self._redis, [self._entries + key], lease)

    async def remove(self, key: bytes) -> bytes:
        """Remove an entry and return what it held, empty if nothing."""
        held: bytes = await REMOVE.run(self._redis, [self._entries + key, self._mark])
        return held

    async def remove_index(self, index: bytes) -> int:
        """Remove all entries in an index, and return their number.

        Makes a round trip for each 250 entries.
        """
        removed, left = 0, 1
        while left:
            keys = [index, self._mark, self._entries]
            try:
                removed_now, left = await INVALIDATE.run(self._redis, keys, BATCH)
            except ResponseError as error:
                if not is_wrong_type(error):
                    raise
                await self._replace_index(index)
                return removed
            removed += removed_now
        return removed

    async def remove_names(self, names: list[bytes]) -> None:
        """Remove entries and indexes, given by their names. Makes a round trip for each index."""
        entries = [name for name in names if name.startswith(self._entries)]
        indexes = [name for name in names if name.startswith(self._indexes)]
        if entries:
            await self._send("UNLINK", *entries)
        for index in indexes:
            await self.remove_index(index)

    async def clear(self) -> None:
        """Let no entry count that was written so far."""
        await self._send("SET", self._mark, new_mark())

    async def _replace_index(self, index: bytes) -> None:
        """Remove a key that isn't an index, and clear the shard: nothing else lists its entries."""
        log.warning("%r isn't an index of this cache; clearing its entries", index)
        await self.clear()
        await self._send("UNLINK", index)

    async def _write_again(self, keys: list[bytes], *arguments: bytes | int) -> Any:
        """Write after the index was replaced. Raises RedisUnavailable if it's foreign again."""
        try:
            return await WRITE.run(self._redis, keys, *arguments)
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            message = f"another program keeps replacing {keys[-1]!r}: use another namespace"
            raise RedisUnavailable(message, "wrongtype") from error

    async def _send(self, *command: str | bytes) -> Any:
        breaker = CircuitBreaker.of(self._redis, self._mark)
        return await breaker.call(breaker.send, self._redis, *command)


def is_wrong_type(error: ResponseError) -> bool:
    """Return True if a command met a key of another type."""
    return "WRONGTYPE" in str(error)
