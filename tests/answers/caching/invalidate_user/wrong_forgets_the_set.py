async def answer(redis, user_id, write):
    await write()
    keys = await redis.smembers(f"keys:{user_id}")
    return await redis.delete(*keys) if keys else 0
