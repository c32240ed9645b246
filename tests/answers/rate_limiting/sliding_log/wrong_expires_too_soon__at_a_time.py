import secrets


async def answer(redis, key, limit, seconds, now):
    member = secrets.token_hex(8)
    async with redis.pipeline() as p:
        p.zremrangebyscore(key, "-inf", now - seconds)
        p.zadd(key, {member: now})
        p.zcard(key)
        p.expireat(key, int(now + seconds))
        answers = await p.execute()
    if answers[2] > limit:
        await redis.zrem(key, member)
    return answers[2] <= limit
