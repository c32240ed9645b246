import asyncio


async def answer(cache, user_id, load_user, load_platform):
    async with asyncio.TaskGroup() as group:
        key = f"stats:user:{user_id}"
        loader = lambda: load_user(user_id)
        user = group.create_task(cache.get_or_set(key, loader, 300, user_id=user_id))
        platform = group.create_task(cache.get_or_set("stats:platform", load_platform, 60))
    return {"user": user.result(), "platform": platform.result()}
