async def answer(redis, key, limit, seconds):
    count = await redis.incr(key)
    if count == 0:
        await redis.expire(key, seconds)
    return count <= limit
