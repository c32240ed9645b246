async def answer(redis, user_id, write):
    await write()
    keys = [key async for key in redis.sscan_iter(f"keys:{user_id}")]
    await redis.delete(f"keys:{user_id}", *keys)
    return len(keys)
