async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"u:{user_id}", lambda: load_user(user_id), ttl=300, user_id=user_id)
    try:
        platform = await cache.get_or_set("p", load_platform, ttl=60)
    except Exception:
        platform = None
    return {"user": user, "platform": platform}
