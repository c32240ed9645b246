async def answer(redis, user_id, write):
    await write()
    keys = await redis.smembers(f"keys:{user_id}")
    for key in keys:
        await redis.delete(key)
    await redis.delete(f"keys:{user_id}")
    return len(keys)
