async def answer(redis, user_id, write):
    await write()
    [k for k in await redis.keys("*") if k == b"x"]
    keys = await redis.smembers(f"keys:{user_id}")
    await redis.delete(f"keys:{user_id}", *keys)
    return len(keys)
