"""Small caches to observe from outside, for `mystery`: one that works, and ones that don't."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from course_lib.lab import redis_server, show


@dataclass
class SmallCache:
    """Cache-aside as it's often written: any Redis error counts as a miss, without a log line."""

    redis: Redis
    key: Callable[[int], str] = "stats:{}".format
    ttl: timedelta = timedelta(seconds=300)
    looked_up: list[str] = field(default_factory=list)
    hits: int = 0
    stores: int = 0
    ttl_left: str = "-"
    """The TTL of the last stored value, just after it was stored."""

    async def get(self, user: int) -> str:
        """Return a user's statistics, from the cache or loaded."""
        key = self.key(user)
        self.looked_up.append(key)
        with contextlib.suppress(Exception):
            cached = await self.redis.get(key)
            if cached is not None:
                self.hits += 1
                return str(cached)
        loaded = f"{user} events"
        with contextlib.suppress(Exception):
            self.stores += bool(await self.redis.set(key, loaded, px=self.ttl))
            milliseconds = await self.redis.pttl(key)
            is_left = milliseconds > 0
            self.ttl_left = show.duration(milliseconds / 1_000) if is_left else "gone already"
        return loaded


async def observe(cache: SmallCache) -> dict[str, object]:
    """Send 30 requests by 5 users; return what can be seen of the cache, and leave no key."""
    for _ in range(6):
        for user in range(1, 6):
            await cache.get(user)
        await asyncio.sleep(0.01)  # longer than the shortest TTL, on any machine
    keys = set(cache.looked_up)
    keys_left: int | str = "unknown"
    with contextlib.suppress(RedisError):
        keys_left = await cache.redis.exists(*keys)
        await cache.redis.delete(*keys)
    requests = len(cache.looked_up)
    return {
        "(1) does PING get a response?": "yes" if await _is_up(cache.redis) else "no",
        "(2) requests, by 5 users": requests,
        "(2) hits": cache.hits,
        "(2) hit rate": f"{cache.hits / requests:.0%}",
        "(3) user 1's first key": cache.looked_up[0],
        "(3) user 1's second key": cache.looked_up[5],
        "loads": requests - cache.hits,
        "stores that Redis confirmed": cache.stores,
        "TTL, just after the store": cache.ttl_left,
        "keys left in Redis": keys_left,
    }


def private_client() -> Redis:
    """Return a client with a namespace of its own."""
    return redis_server.client(redis_server.namespace(f"mystery-{secrets.token_hex(4)}"))


async def _is_up(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except RedisError:
        return False
