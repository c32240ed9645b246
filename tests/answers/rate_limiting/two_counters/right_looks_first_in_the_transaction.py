async def answer(redis, key, limit, seconds, now):
    begins = now - now % seconds
    this, before = f"{key}@{begins}", f"{key}@{begins - seconds}"
    async with redis.pipeline() as p:
        p.get(before)
        p.incrby(this, 1)
        p.expire(this, 3 * seconds)
        old, new, _ = await p.execute()
    weighed = new + (begins + seconds - now) / seconds * float(old or 0)
    if weighed > limit:
        await redis.incrby(this, -1)
        return False
    return True
