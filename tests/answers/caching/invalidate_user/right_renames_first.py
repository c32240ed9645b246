async def answer(redis, user_id, write):
    await write()
    if not await redis.exists(f"keys:{user_id}"):
        return 0
    await redis.rename(f"keys:{user_id}", f"gone:{user_id}")
    keys = await redis.smembers(f"gone:{user_id}")
    return await redis.delete(f"gone:{user_id}", *keys) - 1
