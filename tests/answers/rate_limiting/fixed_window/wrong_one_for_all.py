async def answer(redis, key, limit, seconds):
    count = await redis.incr("requests")
    if count == 1:
        await redis.expire("requests", seconds)
    return count <= limit
