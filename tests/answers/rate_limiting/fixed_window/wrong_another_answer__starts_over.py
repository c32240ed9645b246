async def answer(redis, key, limit, seconds):
    count = await redis.incr(key)
    if count == 1:
        await redis.expire(key, seconds)
    if count > 2 * limit:
        await redis.delete(key)
    return count <= limit
