"""Run one part of a test of the cache in a process of its own.

    python cache_in_a_process.py REDIS_URL PART NUMBER

The number is that of the processes for `stampede`, a timeout for `hang`, a seed for `interleave`.
"""

import asyncio
import json
import random
import sys
from collections import Counter

from redis.asyncio import Redis

from course_lib import redis_client
from course_lib.cache import Cache

RAISE_TO = """
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or 0) then
    redis.call('SET', KEYS[1], ARGV[1])
end
"""


async def stampede(redis: Redis, cache: Cache, processes: float) -> None:
    """Call `get_or_set` 25 times at once when all processes are ready, and count loads in Redis."""

    async def load() -> str:
        await redis.incr("loads")
        await asyncio.sleep(0.1)
        return "loaded"

    await redis.incr("ready")
    while int(await redis.get("ready")) < processes:
        await asyncio.sleep(0.001)
    calls = [cache.get_or_set("key", load) for _ in range(25)]
    values = await asyncio.gather(*calls)
    print(json.dumps(values))


async def hang(redis: Redis, _: Cache, load_timeout: float) -> None:
    """Start a load that doesn't end."""

    async def load() -> None:
        print("loading", flush=True)
        await asyncio.sleep(60)

    await Cache(redis, load_timeout=load_timeout).get_or_set("key", load)


async def interleave(redis: Redis, cache: Cache, seed: float) -> None:
    """Read and write a version number, with Redis as the database too.

    The key `invalidated` holds the newest version whose invalidation has returned.
    """
    chance = random.Random(seed)
    counts: Counter[str] = Counter()

    async def pause() -> None:
        await asyncio.sleep(chance.choice([0, 0.0005, 0.002, 0.004]))

    async def load() -> int:
        version = int(await redis.get("version") or 0)
        await pause()
        return version

    async def read() -> None:
        at_least = int(await redis.get("invalidated") or 0)
        version = await cache.get_or_set(
            "key",
            load,
            chance.choice([0.003, 60]),
            user_id=1,
            stale=chance.choice([None, 0.05]),
            on_outcome=lambda outcome: counts.update([outcome]),
        )
        counts["too old"] += version < at_least

    async def write() -> None:
        version = await redis.incr("version")
        await pause()
        if chance.random() < 0.2:
            await cache.clear()
        else:
            await cache.invalidate_user_cache(1)
        await redis.eval(RAISE_TO, 1, "invalidated", version)

    async def act() -> None:
        for _ in range(60):
            await chance.choice([read, read, read, read, write])()
            await pause()

    await asyncio.gather(*[act() for _ in range(12)])
    print(json.dumps({"too old": 0, **counts}))


async def main(url: str, part: str, number: str) -> None:
    redis = redis_client.connect(url, time_limit=10.0)
    await globals()[part](redis, Cache(redis), float(number))
    await redis.aclose()


asyncio.run(main(*sys.argv[1:]))
