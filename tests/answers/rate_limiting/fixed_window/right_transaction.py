async def answer(redis, key, limit, seconds):
    async with redis.pipeline() as p:
        p.set(key, 0, ex=seconds, nx=True)
        p.incr(key)
        _, count = await p.execute()
    return count <= limit
