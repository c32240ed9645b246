async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"user:{user_id}", lambda: load_user(user_id), 60)
    platform = await cache.get_or_set("platform", load_platform, 60)
    return {"user": user, "platform": platform}
