import itertools

numbers = itertools.count()


async def answer(redis, key, limit, seconds, now):
    member = f"{now}-{next(numbers)}"
    async with redis.pipeline() as p:
        p.zadd(key, {member: now})
        p.zcount(key, f"({now - seconds}", "+inf")
        p.zremrangebyscore(key, "-inf", now - seconds)
        p.expire(key, 2 * seconds)
        _, count, _, _ = await p.execute()
    if count > limit:
        await redis.zrem(key, member)
        return False
    return True
