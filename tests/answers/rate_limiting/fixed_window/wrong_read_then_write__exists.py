async def answer(redis, key, limit, seconds):
    if not await redis.exists(key):
        await redis.set(key, 1, ex=seconds)
        return True
    return await redis.incr(key) <= limit
