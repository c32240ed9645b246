async def answer(redis, key, limit, seconds):
    if int(await redis.get(key) or 0) >= limit:
        return False
    count = await redis.incr(key)
    if count == 1:
        await redis.expire(key, seconds)
    return count <= limit
