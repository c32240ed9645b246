async def answer(cache, user_id, load_user, load_platform):
    async def mine():
        return await load_user(user_id)
    options = {"ttl": 300, "user_id": user_id}
    return {
        "platform": await cache.get_or_set(key="stats:platform", loader=load_platform, ttl=60),
        "user": await cache.get_or_set(key=f"stats:{user_id:08d}", loader=mine, **options),
    }
