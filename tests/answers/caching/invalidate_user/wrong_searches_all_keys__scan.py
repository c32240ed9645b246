async def answer(redis, user_id, write):
    await write()
    keys = [key async for key in redis.scan_iter(f"*:{user_id}")]
    await redis.delete(*keys)
    return len(keys)
