async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"stats:user:{user_id}", lambda: load_user(user_id), ttl=300)
    platform = await cache.get("stats:platform")
    if platform is None:
        try:
            platform = await load_platform()
        except Exception:
            platform = {}
        await cache.set("stats:platform", platform, ttl=60)
    return {"user": user, "platform": platform}
