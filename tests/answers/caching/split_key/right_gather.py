import asyncio
from functools import partial


async def answer(cache, user_id, load_user, load_platform):
    user, platform = await asyncio.gather(
        cache.get_or_set(f"stats:{user_id}", partial(load_user, user_id), 5 * 60, user_id=user_id),
        cache.get_or_set("stats", load_platform, 60),
    )
    return dict(user=user, platform=platform)
