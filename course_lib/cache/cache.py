"""Cache values in Redis: the guide's four calls, and `get_or_set`, which does cache-aside.

The hard part of caching is to never store a value that is already stale. A load reads the database,
another request writes and invalidates, and then the load stores what it read before the write: the
*late store*. So a load first leaves a *lease* in its entry, and stores its value only if the lease
is still there. An invalidation removes leases as well as values (Nishtala et al., "Scaling Memcache
at Facebook", NSDI 2013, section 3.2.1). The lease also tells other callers, in this process and in
others, that a load is running, so they wait for it instead of loading too.

Read `shared_loads.py` next (what happens on a miss), then `store.py` (what is in Redis).
"""

import random
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from course_lib.cache.codec import decode, encode
from course_lib.cache.shared_loads import Loader, LoadRequest, SharedLoads, check_loader
from course_lib.cache.store import ALWAYS, Store, is_value
from course_lib.checks import check_seconds
from course_lib.redis_client import RedisUnavailable


class Cache:
    """Cache values as JSON under string keys. Every value expires, and can belong to a user.

    - `redis`: an asyncio client, best made by `redis_client.connect`. A cache belongs to one event
      loop.
    - `namespace`: a name that is part of every key in Redis. Caches that share it share entries.
    - `ttl`: seconds until a value expires, unless a call passes its own. Each TTL is shortened by a
      random share of up to `jitter`, so that values stored together don't expire together.
    - `load_timeout`: seconds after which a load is abandoned and the next one can start.
    - `max_bytes`: the largest value that is stored, as JSON.

    While Redis is unavailable, reads are misses and nothing is stored. Each process still runs one
    load for each key, but a caller that joins one may get a value that another process invalidated
    after the load began. Invalidations that Redis missed are applied before this process reads
    from it again. Other processes may read the stale value until then, or until its TTL ends if
    this process exits first.

    Give Redis enough memory, or the policy `noeviction` or `volatile-ttl`. Other policies can evict
    the index of a user's entries, and then no invalidation finds them.
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
        self._store = Store(redis, namespace)
        self._shared_loads = SharedLoads(self._store)
        if not 0 <= jitter < 1:
            raise ValueError(f"jitter is {jitter!r}: pass a share of the TTL, from 0 to below 1")
        self.ttl = check_seconds("ttl", ttl)
        self.load_timeout = check_seconds("load_timeout", load_timeout)
        self.jitter = jitter
        self.max_bytes = max_bytes
        self.hits = 0
        """Lookups that found a value in Redis."""
        self.misses = 0
        """Lookups that didn't, including those that waited for a running load."""

    @property
    def loads(self) -> int:
        """The number of times that a loader was called."""
        return self._shared_loads.calls

    @property
    def hit_rate(self) -> float:
        """The share of lookups that were hits, from 0 to 1; 0.0 before the first lookup."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else 0.0

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default` if there is none. A stored None is a hit."""
        entry = self._store.entry(key)
        content = await self._store.read(entry)
        if not is_value(content):
            self.misses += 1
            return default
        self.hits += 1
        return decode(content)

    async def set(
        self, key: str, value: Any, ttl: float | None = None, *, user_id: int | str | None = None
    ) -> None:
        """Store a value for `ttl` seconds. With `user_id`, that user's invalidation removes it.

        Raises TypeError if JSON can't express the value. Raises ValueError if it's larger than
        `max_bytes`, or if the TTL isn't in range: more than 0 and at most a year.
        """
        entry = self._store.entry(key)
        content = encode(key, value)
        milliseconds = self._milliseconds(ttl)
        size = len(content)
        if size > self.max_bytes:
            raise ValueError(
                f"the value of {key!r} has {size:,} bytes; max_bytes is {self.max_bytes:,}: "
                "store less, or pass a larger max_bytes to Cache"
            )
        try:
            await self._store.apply_missed_removals()
            await self._store.write(entry, content, milliseconds, ALWAYS, user_id)
        except RedisUnavailable:
            self._store.remember_missed(entry)  # the value that the entry may hold is stale now

    async def delete(self, key: str) -> bool:
        """Remove a value, and return whether there was one."""
        entry = self._store.entry(key)
        self._shared_loads.close_to_new_callers()
        try:
            await self._store.apply_missed_removals()
            content = await self._store.remove(entry)
        except RedisUnavailable:
            self._store.remember_missed(entry)
            return False
        return is_value(content)

    async def invalidate_user_cache(self, user_id: int | str) -> int:
        """Remove all of a user's entries, and return their number. Running loads store nothing.

        Call it after the write. Once it has returned, no call of `get` or `get_or_set` returns a
        value from before the write. Takes one round trip for every 250 entries.
        """
        index = self._store.index(user_id)
        self._shared_loads.close_to_new_callers()
        try:
            await self._store.apply_missed_removals()
            return await self._store.remove_all(index)
        except RedisUnavailable:
            self._store.remember_missed(index)
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
        """Return the value under `key`. On a miss, store and return what `await loader()` returns.

        Of all concurrent misses, in this process or another, one loads and the others wait for it.
        Hits and misses return the value as JSON restores it, with lists for tuples. `raw=True`
        returns the JSON itself, as bytes. `on_outcome` is called with "hit", "miss" (this call ran
        the loader) or "wait" (it got the value from another call's load).

        A load continues if its caller is cancelled, because others may be waiting for it. If the
        loader raises, the caller that started the load gets the error, and each caller that waited
        tries once more. Raises TimeoutError after `load_timeout`. A value larger than `max_bytes`
        is returned but not stored.
        """
        entry = self._store.entry(key)
        check_loader(loader)
        milliseconds = self._milliseconds(ttl)

        content = await self._store.read(entry)  # 1 look
        if is_value(content):
            self.hits += 1
            outcome = "hit"
        else:
            self.misses += 1
            request = LoadRequest(
                key, entry, loader, milliseconds, user_id, self.load_timeout, self.max_bytes
            )
            # 2 load and 3 store, once for all callers that wait
            content, outcome = await self._shared_loads.get(request, content)
        if on_outcome:
            on_outcome(outcome)
        return content if raw else decode(content)  # 4 answer

    def _milliseconds(self, ttl: float | None) -> int:
        """Return a TTL (seconds) in milliseconds, shortened by the jitter."""
        seconds = self.ttl if ttl is None else check_seconds("ttl", ttl)
        shortened = seconds * (1 - self.jitter * random.random())
        return max(int(1000 * shortened), 1)
