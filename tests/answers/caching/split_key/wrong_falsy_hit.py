async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get(f"user:{user_id}")
    if not user:
        user = await load_user(user_id)
        await cache.set(f"user:{user_id}", user, 300)
    platform = await cache.get_or_set("platform", load_platform, 60)
    return {"user": user, "platform": platform}
