async def answer(redis, key, limit, seconds):
    count = await redis.incr(key)
    if count == 1:
        await redis.pexpire(key, seconds)
    return count <= limit
