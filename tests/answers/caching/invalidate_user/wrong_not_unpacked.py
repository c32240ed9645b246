async def answer(redis, user_id, write):
    await write()
    keys = await redis.smembers(f"keys:{user_id}")
    await redis.delete(keys)
    await redis.delete(f"keys:{user_id}")
    return len(keys)
