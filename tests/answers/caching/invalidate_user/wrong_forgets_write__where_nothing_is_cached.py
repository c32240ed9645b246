async def answer(redis, user_id, write):
    if not await redis.exists(f"keys:{user_id}"):
        return 0
    await write()
    keys = await redis.smembers(f"keys:{user_id}")
    await redis.delete(f"keys:{user_id}", *keys)
    return len(keys)
