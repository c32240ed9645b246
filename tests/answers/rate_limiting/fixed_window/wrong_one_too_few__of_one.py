async def answer(redis, key, limit, seconds):
    async with redis.pipeline() as p:
        before, count = await p.get(key).incr(key).execute()
    if before is None:
        await redis.expire(key, seconds)
        return limit > 1
    return count <= limit
