async def answer(redis, key, limit, seconds, now):
    window = int(now // seconds)
    name = f"{key}:{window}"
    async with redis.pipeline() as p:
        p.incr(name)
        p.expire(name, 2 * seconds)
        p.get(f"{key}:{window - 1}")
        count, _, before = await p.execute()
    share = 1 - now % seconds / seconds
    if share * int(before or 0) + count > limit:
        await redis.set(name, count - 1)
        return False
    return True
