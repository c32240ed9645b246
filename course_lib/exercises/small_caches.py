"""Small caches that do not help."""

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
    """Cache-aside as it is often written: what goes wrong with Redis is taken for a miss, and nobody hears of it."""

    redis: Redis
    key: Callable[[int], str] = "stats:{}".format
    lifetime: timedelta = timedelta(seconds=300)
    asked: list[str] = field(default_factory=list)
    hits: int = 0
    stores: int = 0
    left: str = "-"
    """How long the value stored last had to live just after its store."""

    async def get(self, user: int) -> str:
        """A user's statistics, from the cache or loaded."""
        key = self.key(user)
        self.asked.append(key)
        with contextlib.suppress(Exception):
            if (cached := await self.redis.get(key)) is not None:
                self.hits += 1
                return str(cached)
        loaded = f"{user} events"
        with contextlib.suppress(Exception):
            self.stores += bool(await self.redis.set(key, loaded, px=self.lifetime))
            milliseconds = await self.redis.pttl(key)
            self.left = show.duration(milliseconds / 1_000) if milliseconds > 0 else "gone already"
        return loaded


async def observe(cache: SmallCache) -> dict[str, object]:
    """Send 30 requests by 5 users to a cache; give what can be seen of it, and leave no key."""
    for _ in range(6):
        for user in range(1, 6):
            await cache.get(user)
        await asyncio.sleep(0.01)  # longer than the shortest lifetime, on any machine
    keys = set(cache.asked)
    kept: int | str = "nobody can tell"
    with contextlib.suppress(RedisError):
        kept = await cache.redis.exists(*keys)
        await cache.redis.delete(*keys)
    return {
        "(1) is PING answered?": "yes" if await _is_up(cache.redis) else "no",
        "(2) requests, by 5 users": len(cache.asked),
        "(2) hits": cache.hits,
        "(2) hit rate": f"{cache.hits / len(cache.asked):.0%}",
        "(3) user 1 first looked under": cache.asked[0],
        "(3) then under": cache.asked[5],
        "loads": len(cache.asked) - cache.hits,
        "stores that Redis confirmed": cache.stores,
        "to live, just after its store": cache.left,
        "keys left in Redis": kept,
    }


async def _is_up(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except RedisError:
        return False


def client_of_its_own() -> Redis:
    """Return a client whose keys no other cache sees."""
    return redis_server.client(redis_server.namespace(f"mystery-{secrets.token_hex(4)}"))
