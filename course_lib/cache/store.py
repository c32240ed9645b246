"""Keep entries, leases and the index of each user's entries in Redis.

Keys, for a namespace `cache`:

    {cache}:entry:<key>      a value as JSON, or the lease of a load: a zero byte and a random token
    {cache}:user:<user_id>   the index of a user's entries: a sorted set, by expiry time

The life of an entry. An invalidation can remove a value or a lease at any point:

    nothing --+-- a load asks for the lease --> lease --+-- loaded, lease still there --> value
              |                                         +-- the load failed ------------> nothing
              +-- set --> value                         +-- the process died: expires --> nothing

A removal that Redis missed leaves a stale value. So this process remembers the removal, treats each
read as a miss, and applies the removal before it reads from Redis again.

In a Redis Cluster the braces keep a namespace in one slot, because a script can only use one. To
spread the load over the cluster, use several namespaces.
"""

import logging
import secrets
from typing import Any, TypeGuard

from redis.asyncio import Redis

from course_lib.checks import check_namespace, check_user_id
from course_lib.redis_client import BYTES, CircuitBreaker, RedisUnavailable, Script

LEASE = b"\0"  # the first byte of every lease; no JSON starts with it
UNAVAILABLE = LEASE + b"unavailable"  # what `read` returns if Redis fails: a lease of no load
IF_ABSENT, ALWAYS = b"", b"*"  # conditions of `write`; the third is a lease
BATCH = 250  # entries removed by one script call, because all other clients wait for it
LONGEST_KEY = 1_024

WRITE = Script(__package__, "write")
RELEASE = Script(__package__, "release")
INVALIDATE = Script(__package__, "invalidate")

log = logging.getLogger(__package__)


def new_lease() -> bytes:
    """Return a lease that no other load has."""
    return LEASE + secrets.token_bytes(12)


def is_value(content: bytes | None) -> TypeGuard[bytes]:
    """Return True if the content of an entry is a value: there is one, and it isn't a lease."""
    return content is not None and not content.startswith(LEASE)


class Store:
    """The entries of one namespace. Each call is one round trip, unless it says otherwise."""

    def __init__(self, redis: Redis, namespace: str) -> None:
        check_namespace(namespace)
        self._redis = redis
        self._entries = f"{{{namespace}}}:entry:"
        self._indexes = f"{{{namespace}}}:user:"
        self._missed_removals: set[str] = set()  # names of entries and indexes
        self._applying = False

    def entry(self, key: str) -> str:
        """Return the name of an entry. Raises TypeError or ValueError if the key is invalid."""
        if not isinstance(key, str):
            raise TypeError(f"key must be a string, not {key!r}")
        if not 0 < len(key) <= LONGEST_KEY:
            start = key[:40]
            raise ValueError(
                f"a key has from 1 to {LONGEST_KEY:,} characters; {start!r} has {len(key):,}"
            )
        return self._entries + key

    def index(self, user_id: int | str) -> str:
        """Return the name of a user's index. Raises TypeError if `user_id` isn't an ID."""
        return self._indexes + check_user_id(user_id)

    async def read(self, entry: str) -> bytes | None:
        """Return what an entry holds: a value, a lease, or None. If Redis fails, UNAVAILABLE."""
        try:
            if self._missed_removals or self._applying:
                await self.apply_missed_removals()
            breaker = CircuitBreaker.of(self._redis)
            content: bytes | None = await breaker.call(
                self._redis.execute_command, "GET", entry.encode(), **BYTES
            )
        except RedisUnavailable:
            return UNAVAILABLE
        return content

    async def write(
        self,
        entry: str,
        content: bytes,
        milliseconds: int,
        condition: bytes,
        user_id: int | str | None,
    ) -> bytes | None:
        """Write a value or a lease, if the condition holds, to expire after `milliseconds`.

        The condition is IF_ABSENT, ALWAYS, or the lease that must still be there. Return None if
        the content was written, else what the entry holds. Raises RedisUnavailable.
        """
        keys = [entry] if user_id is None else [entry, self.index(user_id)]
        key = entry.removeprefix(self._entries)
        held: bytes | None = await self._run(WRITE, keys, content, milliseconds, condition, key)
        return held

    async def release(self, entry: str, lease: bytes) -> None:
        """Remove a lease, if it's still there. Raises RedisUnavailable."""
        await self._run(RELEASE, [entry], lease)

    async def remove(self, entry: str) -> bytes | None:
        """Remove an entry and return what it held. Raises RedisUnavailable."""
        breaker = CircuitBreaker.of(self._redis)
        content: bytes | None = await breaker.call(
            self._redis.execute_command, "GETDEL", entry.encode(), **BYTES
        )
        return content

    async def remove_all(self, index: str) -> int:
        """Remove all entries in an index and return their number. Raises RedisUnavailable.

        Makes a round trip for each 250 entries.
        """
        removed, left = 0, 1
        while left:
            removed_now, left = await self._run(INVALIDATE, [index, self._entries], BATCH)
            removed += removed_now
        return removed

    def remember_missed(self, name: str) -> None:
        """Remember an entry or an index that Redis didn't remove, so that no read returns it."""
        if not self._missed_removals:
            log.warning(
                "An invalidation didn't reach Redis; treating reads as misses until it is applied"
            )
        self._missed_removals.add(name)

    async def apply_missed_removals(self) -> None:
        """Remove what Redis missed. Raises RedisUnavailable until that is done."""
        if self._applying:
            raise RedisUnavailable(
                "Redis may have stale values: missed removals are being applied", "removals"
            )
        self._applying = True
        try:
            while self._missed_removals:
                name = self._missed_removals.pop()
                try:
                    if name.startswith(self._entries):
                        await self.remove(name)
                    else:
                        await self.remove_all(name)
                except BaseException:
                    self._missed_removals.add(name)
                    raise
        finally:
            self._applying = False

    async def _run(self, script: Script, keys: list[str], *arguments: str | bytes | float) -> Any:
        return await CircuitBreaker.of(self._redis).call(script.run, self._redis, keys, *arguments)
