import secrets


async def answer(redis, key, limit, seconds, now):
    member = secrets.token_hex(8)
    async with redis.pipeline() as p:
        p.zadd(key, {member: now})
        p.zcount(key, f"({now - seconds}", now)
        p.expire(key, seconds)
        answers = await p.execute()
    if answers[1] > limit:
        await redis.zrem(key, member)
    return answers[1] <= limit
