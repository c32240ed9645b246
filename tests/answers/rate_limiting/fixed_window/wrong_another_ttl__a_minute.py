async def answer(redis, key, limit, seconds):
    count = await redis.incr(key)
    if count == 1:
        await redis.expire(key, 60)
    return count <= limit
