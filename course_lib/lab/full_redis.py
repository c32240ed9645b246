"""Fill a Redis beyond its `maxmemory`, and see what its eviction policy keeps."""

from redis import Redis
from redis.exceptions import OutOfMemoryError

PAGES, BYTES = 3_000, 1_000


def fill(redis: Redis, policy: str) -> dict[str, int]:
    """Store three thousand pages under a policy, each with a longer TTL than the one before.

    Return how many pages are kept, the first and the last of them by number, and how many writes
    were rejected. Removes every other key: pass a client of a private server.
    """
    redis.flushall()
    redis.config_set("maxmemory-policy", policy)
    rejected = 0
    for page in range(PAGES):
        try:
            redis.set(f"page:{page}", "x" * BYTES, ex=60 + page)
        except OutOfMemoryError:
            rejected += 1
    kept = [page for page in range(PAGES) if redis.exists(f"page:{page}")]
    return {
        "pages kept": len(kept),
        "first": kept[0],
        "last": kept[-1],
        "rejected": rejected,
    }
