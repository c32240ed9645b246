async def answer(redis, user_id, write):
    await write()
    keys = await redis.smembers(f"keys:{user_id}")
    await redis.flushdb()
    return len(keys)
