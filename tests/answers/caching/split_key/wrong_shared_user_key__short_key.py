async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"stats:user:{str(user_id)[:2]}", lambda: load_user(user_id), ttl=300)
    platform = await cache.get_or_set("stats:platform", load_platform, ttl=60)
    return {"user": user, "platform": platform}
