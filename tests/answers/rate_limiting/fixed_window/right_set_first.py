async def answer(redis, key, limit, seconds):
    await redis.set(key, 0, ex=seconds, nx=True)
    return await redis.incr(key) <= limit
