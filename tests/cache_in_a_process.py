"""A process of its own for tests/test_cache.py: `cache_in_a_process.py <redis url> <what> <number>`."""

import asyncio
import json
import random
import sys
from collections import Counter

from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache

RAISE_TO = (
    "if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or 0) then redis.call('SET', KEYS[1], ARGV[1]) end"
)


async def stampede(redis: Redis, cache: Cache, processes: float) -> None:
    """25 callers at once, when so many processes are ready; a load is counted in Redis."""

    async def load() -> str:
        await redis.incr("loads")
        await asyncio.sleep(0.1)
        return "loaded"

    await redis.incr("ready")
    while int(await redis.get("ready")) < processes:
        await asyncio.sleep(0.001)
    print(json.dumps(await asyncio.gather(*[cache.get_or_set("key", load) for _ in range(25)])))


async def hang(redis: Redis, _: Cache, load_timeout: float) -> None:
    """A load that is never done."""

    async def load() -> None:
        print("loading", flush=True)
        await asyncio.sleep(60)

    await Cache(redis, load_timeout=load_timeout).get_or_set("key", load)


async def interleave(redis: Redis, cache: Cache, seed: float) -> None:
    """Readers and writers of a version in Redis, which is the database here; `promised` was invalidated last."""
    chance = random.Random(seed)
    seen: Counter[str] = Counter()

    async def moment() -> None:
        await asyncio.sleep(chance.choice([0, 0.0005, 0.002, 0.004]))

    async def load() -> int:
        version = int(await redis.get("version") or 0)
        await moment()
        return version

    async def read() -> None:
        at_least = int(await redis.get("promised") or 0)
        ttl = chance.choice([0.003, 60])
        found = await cache.get_or_set("key", load, ttl, user_id=1, on_outcome=lambda how: seen.update([how]))
        seen["stale"] += found < at_least

    async def write() -> None:
        version = await redis.incr("version")
        await moment()
        await cache.invalidate_user_cache(1)
        await redis.eval(RAISE_TO, 1, "promised", version)

    async def act() -> None:
        for _ in range(60):
            await chance.choice([read, read, read, read, write])()
            await moment()

    await asyncio.gather(*[act() for _ in range(12)])
    print(json.dumps({"stale": seen["stale"], **seen}))


async def main(url: str, what: str, number: str) -> None:
    redis = redis_client.connect(url)
    await globals()[what](redis, Cache(redis), float(number))
    await redis.aclose()


asyncio.run(main(*sys.argv[1:]))
