"""Cache values in Redis: one load for all concurrent misses, nothing stale after an invalidation.

    cache = Cache(redis_client.connect(url), ttl=300)
    stats = await cache.get_or_set(f"stats:{user_id}", load_stats, user_id=user_id)
    await cache.invalidate_user_cache(user_id)  # after a write

    @cache.cached(ttl=60, user="user_id")
    async def stats(user_id: int) -> dict: ...

Read `cache.py` first. The files by what they're for:

    a call     cache.py        --> cached.py, the decorator --> framework.py, FastAPI's parts
               for its keys:   argument_text.py, function_names.py
    a load     shared_loads.py --> joinable_loads.py, load_runner.py --> loader.py, lease_renewal.py
    Redis      store.py        --> shard.py --> lua/;  missed_removals.py after an outage
    a value    codec.py        --> model_form.py;  contents.py, the bytes of an entry;  ttl.py
"""

from course_lib.cache.cache import Cache
from course_lib.cache.codec import Codec, JsonCodec

__all__ = [
    "Cache",
    "Codec",
    "JsonCodec",
]
