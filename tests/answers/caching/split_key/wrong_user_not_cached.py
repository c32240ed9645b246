async def answer(cache, user_id, load_user, load_platform):
    platform = await cache.get_or_set("platform", load_platform, 60)
    return {"user": await load_user(user_id), "platform": platform}
