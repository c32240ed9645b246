async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"user:{user_id}", lambda: load_user(user_id), 300)
    platform = await cache.get_or_set("platform", load_platform, 300)
    return {"user": user, "platform": platform}
