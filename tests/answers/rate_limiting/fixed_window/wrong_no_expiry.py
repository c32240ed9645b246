async def answer(redis, key, limit, seconds):
    return await redis.incr(key) <= limit
