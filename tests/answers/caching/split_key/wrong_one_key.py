async def answer(cache, user_id, load_user, load_platform):
    async def load():
        return {"user": await load_user(user_id), "platform": await load_platform()}

    return await cache.get_or_set(f"stats:{user_id}", load, 300)
