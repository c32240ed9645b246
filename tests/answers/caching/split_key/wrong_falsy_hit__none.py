async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get(f"stats:user:{user_id}")
    if user is None:
        user = await load_user(user_id)
        await cache.set(f"stats:user:{user_id}", user, ttl=300, user_id=user_id)
    platform = await cache.get_or_set("stats:platform", load_platform, ttl=60)
    return {"user": user, "platform": platform}
