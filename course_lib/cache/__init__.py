"""Cache values in Redis: one load for all concurrent misses, nothing stale after an invalidation.

    cache = Cache(redis_client.connect(url), ttl=300)
    stats = await cache.get_or_set(f"stats:{user_id}", load_stats, user_id=user_id)
    await cache.invalidate_user_cache(user_id)  # after a write

Read `cache.py` first.
"""

from course_lib.cache.cache import Cache

__all__ = [
    "Cache",
]
