rejected = set()


async def answer(redis, key, limit, seconds):
    if key in rejected:
        return False
    count = await redis.incr(key)
    if count == 1:
        await redis.expire(key, seconds)
    if count > limit:
        rejected.add(key)
    return count <= limit
