async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"u:{user_id}", load_user, ttl=300, user_id=user_id)
    platform = await cache.get_or_set("p", load_platform, ttl=60)
    return {"user": user, "platform": platform}
