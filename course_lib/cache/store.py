"""Keep entries, leases and the index of each user's entries in Redis.

Keys, for a namespace `cache`:

    {cache}:entry:<key>      a value, the lease of a load, or both: see `contents.py`
    {cache}:user:<user_id>   the index of a user's entries, values and leases alike: a sorted set,
                             by expiry time. So an invalidation finds running loads too
    {cache}:mark             a random mark, replaced by `clear`: an entry without it doesn't count

The life of an entry. An invalidation can remove a value or a lease at any point:

    nothing --+-- a load asks for the lease --> lease --+-- loaded, lease still there --> value
              |                                         +-- the load failed ------------> nothing
              +-- set --> value                         +-- the process died: expires --> nothing

A removal that Redis missed leaves a stale value: see `missed_removals.py`.

In a Redis Cluster the braces keep a namespace in one slot, because a script can only use one. With
several shards the names are `{cache:0}:entry:<key>` and so on, and each shard has a slot, a mark,
and an index for each user.
"""

import asyncio
import contextlib
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from course_lib.cache.contents import UNAVAILABLE, new_mark
from course_lib.cache.missed_removals import BATCH, MissedRemovals
from course_lib.checks import check_namespace, check_user_id
from course_lib.redis_client import BYTES, CircuitBreaker, RedisUnavailable, Script

IF_ABSENT, ALWAYS = b"", b"*"  # conditions of `write`; the third is a lease
LONGEST_KEY = 1_024  # characters
FRESH, STALE, GRANTED = 0, 1, 2  # what `read_or_refresh` found; the last took the lease
OF_ANOTHER_TYPE = 1  # what `write` replies if it replaced a list, a hash or the like

WRITE = Script(__package__, "write")
RELEASE = Script(__package__, "release")
REMOVE = Script(__package__, "remove")
INVALIDATE = Script(__package__, "invalidate")
REFRESH = Script(__package__, "refresh")

UserId = int | str | UUID

log = logging.getLogger(__package__)


class Shard(NamedTuple):
    """The names of a shard's keys: the mark, and the prefixes of entries and indexes."""

    mark: bytes
    entries: bytes
    indexes: bytes


class Store:
    """The entries of one namespace. Each call is one round trip, unless it says otherwise.

    Keys and users are passed as bytes, as `checked_key` and `checked_user` return them.
    """

    def __init__(self, redis: Redis, namespace: str, shards: int) -> None:
        check_namespace(namespace)
        if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= 1_024:
            raise ValueError(f"shards is {shards!r}: pass a whole number from 1 to 1,024")
        self.unavailable: Counter[str] = Counter()
        self.missed = MissedRemovals(self._remove_names, self._clear, self._release)
        self._redis = redis
        self._shards = []
        for number in range(shards):
            tag = namespace if shards == 1 else f"{namespace}:{number}"
            prefix = encoded("namespace", f"{{{tag}}}:")
            shard = Shard(prefix + b"mark", prefix + b"entry:", prefix + b"user:")
            self._shards.append(shard)

    async def read(self, key: bytes) -> bytes | None:
        """Return what an entry holds: a value, a lease, or None. If Redis fails, UNAVAILABLE."""
        if self.missed.pending:
            self.missed.resume()
            self.unavailable["removals"] += 1
            return UNAVAILABLE
        shard = self._shard(key)
        try:
            mark, content = await CircuitBreaker.of(self._redis).call(
                self._redis.execute_command, "MGET", shard.mark, shard.entries + key, **BYTES
            )
        except RedisUnavailable as error:
            self.unavailable[error.reason] += 1
            return UNAVAILABLE
        return content if mark is None else since_mark(mark, content)

    async def read_or_refresh(
        self, key: bytes, lease: bytes, lease_ms: int, stale_ms: int
    ) -> tuple[bytes | None, int]:
        """Read an entry, and take the lease to refresh it if its TTL ends in `stale_ms` or less.

        Return what `read` does, and FRESH, STALE (another load refreshes it) or GRANTED.
        """
        if self.missed.pending:
            return await self.read(key), FRESH
        shard = self._shard(key)
        keys = [shard.entries + key, shard.mark]
        try:
            content, state = await self._run(REFRESH, keys, stale_ms, lease, lease_ms)
        except RedisUnavailable as error:
            self.unavailable[error.reason] += 1
            return UNAVAILABLE, FRESH
        return content, state

    async def write(
        self,
        key: bytes,
        content: bytes,
        ttl_ms: int,
        condition: bytes,
        user: bytes | None,
    ) -> bytes | None:
        """Write a value or a lease, if the condition holds, to expire after `ttl_ms`.

        The condition is IF_ABSENT, ALWAYS, or the lease that must still be there. Return None if
        the content was written, else what the entry holds, empty if nothing. Raises
        RedisUnavailable.
        """
        shard = self._shard(key)
        keys = [shard.entries + key, shard.mark]
        if user is not None:
            keys.append(shard.indexes + user)
        arguments = (content, ttl_ms, condition, key)
        try:
            held = await self._run(WRITE, keys, *arguments)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            await self._replace_index(shard, keys[-1])
            held = await self._run(WRITE, keys, *arguments)
        if held == OF_ANOTHER_TYPE:
            log.warning("Replaced %r, which wasn't stored by this cache", keys[0])
            return None
        return held  # type: ignore[no-any-return]

    async def release(self, key: bytes, lease: bytes) -> None:
        """Remove an entry that still holds a lease. If Redis fails, try again later."""
        try:
            await self._release(key, lease)
        except BaseException as error:
            self.missed.remember_lease(key, lease)
            if not isinstance(error, RedisUnavailable):
                raise

    async def remove(self, key: bytes) -> bytes | None:
        """Remove an entry and return what it held. If Redis fails, remember it."""
        shard = self._shard(key)
        name = shard.entries + key
        with self.made_up_for(key):
            return await self._run(REMOVE, [name, shard.mark])  # type: ignore[no-any-return]
        return None

    async def remove_unreadable(self, key: bytes, error: Exception) -> None:
        """Remove an entry that this cache can't have stored, and log it."""
        log.warning("Removing %r from the cache: %s", key, error)
        await self.remove(key)

    async def remove_user(self, user: bytes) -> int:
        """Remove all of a user's entries and return their number. If Redis fails, remember it.

        Makes a round trip for each 250 entries of each shard.
        """
        counts = await asyncio.gather(*[self._remove_index(shard, user) for shard in self._shards])
        return sum(counts)

    async def clear(self) -> None:
        """Let no entry count that was written so far. If Redis fails, remember it."""
        with self._policy(self.missed.remember_everything):
            await self._clear()

    @contextlib.contextmanager
    def made_up_for(self, key: bytes) -> Iterator[None]:
        """Remember to remove an entry if the code under `with` fails."""
        name = self._shard(key).entries + key
        with self._policy(lambda: self.missed.remember(name)):
            yield

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

    def _shard(self, key: bytes) -> Shard:
        if len(self._shards) == 1:
            return self._shards[0]
        return self._shards[zlib.crc32(key) % len(self._shards)]

    async def _run(self, script: Script, keys: list[bytes], *arguments: bytes | int) -> Any:
        breaker = CircuitBreaker.of(self._redis)
        return await breaker.call(script.run, self._redis, keys, *arguments)

    async def _release(self, key: bytes, lease: bytes) -> None:
        await self._run(RELEASE, [self._shard(key).entries + key], lease)

    async def _clear(self) -> None:
        """Replace the mark of each shard."""
        await asyncio.gather(*[self._set_mark(shard) for shard in self._shards])

    async def _set_mark(self, shard: Shard) -> None:
        breaker = CircuitBreaker.of(self._redis)
        await breaker.call(self._redis.execute_command, "SET", shard.mark, new_mark())

    async def _remove_index(self, shard: Shard, user: bytes) -> int:
        index = shard.indexes + user
        with self._policy(lambda: self.missed.remember(index)):
            return await self._remove_all(shard, index)
        return 0

    async def _remove_all(self, shard: Shard, index: bytes) -> int:
        """Remove all entries in an index, by batches, and return their number."""
        removed, left = 0, 1
        while left:
            keys = [index, shard.mark, shard.entries]
            try:
                removed_now, left = await self._run(INVALIDATE, keys, BATCH)
            except ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                await self._replace_index(shard, index)
                return removed
            removed += removed_now
        return removed

    async def _replace_index(self, shard: Shard, index: bytes) -> None:
        """Remove a key that isn't an index, and clear its shard: nothing else lists the entries."""
        log.warning("%r isn't an index of this cache; clearing its entries", index)
        await self._set_mark(shard)
        await self._unlink([index])

    async def _remove_names(self, names: list[bytes]) -> None:
        """Remove entries and indexes."""
        for shard in self._shards:
            entries = [name for name in names if name.startswith(shard.entries)]
            if entries:
                await self._unlink(entries)
            indexes = [name for name in names if name.startswith(shard.indexes)]
            for index in indexes:
                await self._remove_all(shard, index)

    async def _unlink(self, names: list[bytes]) -> None:
        breaker = CircuitBreaker.of(self._redis)
        await breaker.call(self._redis.execute_command, "UNLINK", *names)


def encoded(name: str, text: str) -> bytes:
    """Return text as UTF-8. Raises ValueError if it can't be encoded."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{name} {text!r} has half of a surrogate pair, which UTF-8 can't encode: "
            "remove it, for example with text.encode(errors='replace').decode()"
        ) from None


def checked_key(key: str) -> bytes:
    """Return a key as bytes. Raises TypeError or ValueError if it's invalid."""
    if not isinstance(key, str):
        raise TypeError(f"key must be a string, not {key!r}")
    if not 0 < len(key) <= LONGEST_KEY:
        start = key[:40]
        raise ValueError(
            f"a key has from 1 to {LONGEST_KEY:,} characters; {start!r} has {len(key):,}"
        )
    return encoded("key", key)


def checked_user(user_id: UserId) -> bytes:
    """Return a user's ID as bytes. Raises TypeError or ValueError if it isn't an ID."""
    plain_id = str(user_id) if isinstance(user_id, UUID) else user_id
    return encoded("user_id", check_user_id(plain_id))


def since_mark(mark: bytes, content: bytes | None) -> bytes | None:
    """Return content without its mark, or None if it was written before the mark."""
    if content is None or not content.startswith(mark):
        return None
    return content[len(mark) :]
