async def answer(redis, key, limit, seconds):
    async with redis.pipeline() as p:
        p.incr(key)
        p.expire(key, seconds)
        count, _ = await p.execute()
    return count <= limit
