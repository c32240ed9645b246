async def answer(redis, key, limit, seconds, now):
    window = int(now // seconds)
    async with redis.pipeline() as p:
        p.hincrby(key, window, 1)
        p.hget(key, window - 1)
        p.expire(key, 2 * seconds)
        count, before, _ = await p.execute()
    left = 1 - (now - window * seconds) / seconds
    if count + left * int(before or 0) <= limit:
        return True
    await redis.hincrby(key, window, -1)
    return False
