"""A cache that hits half of the time: a puzzle for lesson 1b. Reading this file spoils it.

miss --> the user's list is loaded and stored --> later: found, decoded, and tested by its truth
"""

import json

from redis.asyncio import Redis

USERS = 20


class HalfHits:
    """Cache-aside with a fault; it counts its hits and misses, and every value lives for 300 s."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.hits = 0
        self.misses = 0

    async def bookmarks(self, user: int) -> list[str]:
        """Return a user's bookmarks, from the cache or loaded. Half of the users have none."""
        key = f"bookmarks:{user}"
        stored = await self.redis.get(key)
        bookmarks: list[str] = json.loads(stored) if stored else []
        if bookmarks:
            self.hits += 1
            return bookmarks
        self.misses += 1
        loaded = ["a page"] * (user % 2)
        await self.redis.set(key, json.dumps(loaded), ex=300)
        return loaded

    async def serve(self, requests: int = 1_000) -> None:
        """Serve that many requests of twenty users, who take turns."""
        for number in range(requests):
            await self.bookmarks(number % USERS)
