async def answer(redis, key, limit, seconds):
    if int(await redis.get(key) or 0) >= limit:
        return False
    if await redis.incr(key) == 1:
        await redis.expire(key, seconds)
    return True
