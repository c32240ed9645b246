import secrets


async def answer(redis, key, limit, seconds, now):
    member = secrets.token_hex(8)
    async with redis.pipeline() as p:
        p.zremrangebyscore(key, "-inf", now)
        p.zadd(key, {member: now})
        p.zcard(key)
        p.expire(key, seconds)
        answers = await p.execute()
    if answers[2] > limit:
        await redis.zrem(key, member)
    return answers[2] <= limit
