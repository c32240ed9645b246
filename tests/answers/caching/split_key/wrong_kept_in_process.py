memo = {}


async def answer(cache, user_id, load_user, load_platform):
    user = await cache.get_or_set(f"stats:user:{user_id}", lambda: load_user(user_id), ttl=300)
    if "platform" not in memo:
        memo["platform"] = await cache.get_or_set("stats:platform", load_platform, ttl=60)
    platform = memo["platform"]
    return {"user": user, "platform": platform}
