"""Cache values in Redis: `get`, `set`, `delete`, `invalidate_user_cache`, and cache-aside.

`get_or_set` does cache-aside: it looks, and on a miss it loads, stores and answers.

The hard part of caching is to never store a value that is already stale. A load reads the database,
another request writes and invalidates, and then the load stores what it read before the write: the
*late store*. So a load first leaves a *lease* in its entry, and stores its value only if the lease
is still there. An invalidation removes leases as well as values, because leases are in the user's
index too (Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1). The lease
also tells other callers, in this process and in others, that a load is running, so they wait for it
instead of loading too.

Read the docstrings of `store.py` and `shard.py` next (what is in Redis), then `shared_loads.py` and
`load_runner.py` (misses), then `lua/write.lua`.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from course_lib.cache.cached import CachedFunctions
from course_lib.cache.codec import Codec, JsonCodec, UnreadableError, Values
from course_lib.cache.contents import is_value
from course_lib.cache.loader import Loader, LoadRequest, check_how_it_returns, check_loader
from course_lib.cache.shared_loads import SharedLoads
from course_lib.cache.store import MOST_BYTES, Store, UserId, checked_key, checked_user
from course_lib.cache.ttl import Seconds, Ttl, check_jitter, check_ttl, seconds, ttl_in_ms
from course_lib.checks import check_count, check_seconds, check_switch

FOUND = ("hit", "stale")  # the outcomes of lookups that found a value


class Cache(CachedFunctions):
    """Cache values as JSON under string keys. Every value expires, and can belong to a user.

    - `redis`: an asyncio client, best made by `redis_client.connect`.
    - `namespace`: a name that is part of every key in Redis. Caches that share it share entries.
    - `ttl`: how long a value is kept, unless a call passes its own: seconds, a timedelta, or a
      function of the value that returns either, or None not to store it. Each TTL is shortened by
      a random share of up to `jitter`, so that values stored together don't expire together.
    - `load_timeout`: seconds after which a load is abandoned and the next one can start.
    - `max_bytes`: the largest value that is stored, as JSON.
    - `codec`: how values become bytes. `JsonCodec` says what comes back for dates and the like.
    - `shards`: slots of a Redis Cluster for this namespace; the same in all caches that share it.

    While Redis is unavailable, reads are misses and nothing is stored; `unavailable` counts it.
    This Cache still runs one load for each key, but a caller that joins one may get a value that
    another Cache invalidated after the load began. Invalidations that Redis missed are applied
    before this Cache reads from it again. Other processes may read the stale value until then, or
    until its TTL ends if this process exits first.

    Give Redis enough memory. A full Redis can evict the index of a user's entries, and then no
    invalidation finds them; with `volatile-ttl` that's less likely, with `noeviction` impossible.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        namespace: str = "cache",
        ttl: Ttl = 300.0,
        load_timeout: float = 10.0,
        jitter: float = 0.1,
        max_bytes: int = 1_000_000,
        codec: Codec | None = None,
        shards: int = 1,
    ) -> None:
        self._store = Store(redis, namespace, shards)
        super().__init__(redis, namespace, codec)
        self._values = Values(JsonCodec() if codec is None else codec)
        self._shared_loads = SharedLoads(self._store, self._values)
        self.ttl = check_ttl(ttl)
        self.load_timeout = check_seconds("load_timeout", load_timeout)
        self.jitter = check_jitter(jitter)
        self.max_bytes = check_count("max_bytes", max_bytes, MOST_BYTES)
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

    @property
    def unavailable(self) -> Counter[str]:
        """The number of times that a policy stood in for Redis, by reason.

        The policy is a miss, a value that isn't stored, or a removal that's made up for later. The
        reasons are those of `RedisUnavailable`, and "removals": some aren't made up for yet.
        """
        return self._store.unavailable

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default` if there is none. A stored None is a hit."""
        stored_key = checked_key(key)
        content = await self._store.read(stored_key)
        if is_value(content):
            try:
                value = self._values.value(content, raw=False)
            except UnreadableError as error:
                await self._store.remove_unreadable(stored_key, error)
            else:
                self.hits += 1
                return value
        self.misses += 1
        return default

    async def set(
        self,
        key: str,
        value: Any,
        ttl: Ttl | None = None,
        *,
        user_id: UserId | None = None,
        raw: bool = False,
    ) -> None:
        """Store a value. With `user_id`, that user's invalidation removes it.

        With `raw`, bytes are stored as they are; they must be what the codec returns. If `ttl` is
        a function that returns None, the key is removed instead.

        Raises TypeError if JSON can't express the value. Raises ValueError if it's larger than
        `max_bytes`, or if the TTL isn't in range: more than 0 and at most a year.
        """
        stored_key = checked_key(key)
        user = None if user_id is None else checked_user(user_id)
        check_switch("raw", raw)
        content = self._values.content(key, value, raw=raw)
        ttl_ms = ttl_in_ms(self.ttl if ttl is None else ttl, value, self.jitter)
        size = len(content)
        if size > self.max_bytes:
            raise ValueError(
                f"the value of {key!r} has {size:,} bytes; max_bytes is {self.max_bytes:,}: "
                "store less, or pass a larger max_bytes to Cache"
            )
        if not ttl_ms:
            await self.delete(key)
            return
        self._shared_loads.close_loads_without_redis(stored_key)
        await self._store.replace(stored_key, content, ttl_ms, user)

    async def delete(self, key: str) -> bool:
        """Remove a value, and return whether there was one."""
        stored_key = checked_key(key)
        self._shared_loads.close_loads_without_redis(stored_key)
        return is_value(await self._store.remove(stored_key))

    async def invalidate_user_cache(self, user_id: UserId) -> int:
        """Remove all of a user's entries, and return their number. Running loads store nothing.

        Call it after the write. Once it has returned, no `get` or `get_or_set` that starts
        afterwards returns a value from before the write. Calls that were already waiting may.
        While Redis is unavailable, this holds for this Cache only. Takes one round trip for every
        250 entries, and at least one for each shard. See docs/redis.md for restarts of Redis.
        """
        user = checked_user(user_id)
        self._shared_loads.close_loads_without_redis()
        return await self._store.remove_user(user)

    async def clear(self) -> None:
        """Forget all entries of the namespace, in one round trip for each shard.

        It promises what `invalidate_user_cache` does, for all users. It replaces a random mark in
        Redis, which each read fetches along with the entry. Values and leases under an earlier
        mark don't count, so they needn't be found. They keep their memory until they expire.
        """
        self._shared_loads.close_loads_without_redis()
        await self._store.clear()

    async def get_or_set(
        self,
        key: str,
        loader: Loader,
        ttl: Ttl | None = None,
        *,
        user_id: UserId | None = None,
        raw: bool = False,
        stale: Seconds | None = None,
        on_outcome: Callable[[str], object] | None = None,
    ) -> Any:
        """Return the value under `key`. On a miss, store and return what `await loader()` returns.

        Of all concurrent misses, in this process or another, one loads and the others wait for it.
        Hits and misses return the value as JSON restores it, with lists for tuples. `raw=True`
        returns the JSON itself, as bytes, and a loader may return bytes that are JSON already.
        `on_outcome` is called with "hit", "miss" (this call ran the loader), "wait" (it got the
        value from another call's load) or "stale".

        With `stale`, a value is kept for that many seconds after its TTL, for `get` too. Callers
        still get it at once, while one load, in this process or another, replaces it. An
        invalidation removes it like any other value.

        All callers that share a load get the first caller's loader, TTL, `user_id` and context. So
        a loader mustn't use anything that closes with its caller, such as a request's database
        session.

        A load continues if its caller is cancelled, because others may be waiting for it. If the
        loader raises, the caller that started the load gets the error, and each caller that waited
        tries once more. Raises TimeoutError if the loader takes longer than `load_timeout`. A
        caller that has waited a second longer than that for loads of other processes calls its own
        loader. A value larger than `max_bytes` is returned but not stored.
        """
        stored_key = checked_key(key)
        user = None if user_id is None else checked_user(user_id)
        check_loader(loader)
        check_how_it_returns(raw, on_outcome)
        ttl = self.ttl if ttl is None else check_ttl(ttl)
        stale_ms = 0 if stale is None else int(1000 * seconds("stale", stale))
        settings = (self.jitter, self.load_timeout, self.max_bytes)
        request = LoadRequest(key, stored_key, loader, ttl, stale_ms, user, raw, *settings)
        if stale is None:
            content, outcome = await self._store.read(stored_key), "hit"  # 1 look
        else:
            content, outcome = await self._shared_loads.read_or_refresh(request)
        while True:
            if not is_value(content):
                self.misses += outcome in FOUND  # still the first read's, so it's counted once
                # 2 load and 3 store, once for all callers that wait
                content, outcome = await self._shared_loads.join_or_start(request, content)
            try:
                value = self._values.value(content, raw=raw)
                break
            except UnreadableError as error:
                if outcome == "miss":  # the codec can't decode what it has just encoded
                    raise
                await self._store.remove_unreadable(stored_key, error)
                content = None
        self.hits += outcome in FOUND
        if on_outcome:
            on_outcome(outcome)
        return value  # 4 answer

    async def aclose(self) -> None:
        """Wait for running loads, and stop making up for removals; then close the Redis client.

        If a process dies during a load, others wait for up to 5 s, until its lease expires.
        """
        await self._shared_loads.wait()
        await self._store.aclose()
