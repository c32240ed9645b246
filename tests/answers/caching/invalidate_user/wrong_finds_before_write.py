async def answer(redis, user_id, write):
    keys = await redis.smembers(f"keys:{user_id}")
    await write()
    await redis.delete(f"keys:{user_id}", *keys)
    return len(keys)
