async def answer(redis, key, limit, seconds):
    count = await redis.incr(key)
    if count == 1:
        await redis.expire(key, seconds)
    if count > limit:
        await redis.set(key, limit)
    return count <= limit
