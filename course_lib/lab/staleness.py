"""Count hits and stale reads of a cache whose values are written while they're cached.

    zipf_users --> every twentieth request is a write --> the user's version goes up
               --> the others are reads               --> get_or_set: is it the latest version?

A run takes about a second, so a TTL of 0.1 s stands for a tenth of the time that users spend.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from course_lib.cache import Cache
from course_lib.cache.loader import Loader
from course_lib.lab import redis_server
from course_lib.lab.load_generator import zipf_users

USERS, REQUESTS = 40, 1_000
SECONDS = 1.0
REQUESTS_PER_WRITE = 20


@dataclass(frozen=True)
class Reads:
    """The shares of a run's reads that were hits and that were stale, in percent."""

    hits: float
    stale: float


async def run(ttl: float, *, invalidate: bool = False) -> Reads:
    """Send 1,000 requests by 40 users within a second, to a cache with this TTL in seconds.

    With `invalidate`, each write invalidates what is cached of its user.
    """
    cache = Cache(redis_server.new_client("stale"), ttl=ttl, jitter=0)
    versions: Counter[int] = Counter()
    stale = 0
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, user in enumerate(zipf_users(USERS, REQUESTS)):
        due = start + number * SECONDS / REQUESTS
        await asyncio.sleep(due - loop.time())
        if number % REQUESTS_PER_WRITE == 0:
            versions[user] += 1
            if invalidate:
                await cache.invalidate_user_cache(user)
        else:
            load = _loader(versions, user)
            version = await cache.get_or_set(f"stats:{user}", load, user_id=user)
            stale += version != versions[user]
    reads = cache.hits + cache.misses
    return Reads(100 * cache.hit_rate, 100 * stale / reads)


def _loader(versions: Counter[int], user: int) -> Loader:
    async def load() -> int:
        return versions[user]

    return load


async def by_ttl(
    ttls: tuple[float, ...] = (0.01, 0.03, 0.1, 3.0),
) -> dict[str, list[tuple[float, float]]]:
    """Return four curves for `plots.lines`: hits and stale reads, without and with invalidation.

    Each is a list of points: a TTL in seconds, and a share of the reads in percent.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for how, invalidate in {"TTL alone": False, "deleted on write": True}.items():
        hits, stale = [], []
        for ttl in ttls:
            reads = await run(ttl, invalidate=invalidate)
            hits.append((ttl, reads.hits))
            stale.append((ttl, reads.stale))
        curves[f"hits, {how}"] = hits
        curves[f"stale reads, {how}"] = stale
    return curves
