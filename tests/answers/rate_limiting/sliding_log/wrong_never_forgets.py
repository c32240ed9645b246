import secrets


async def answer(redis, key, limit, seconds, now):
    member = secrets.token_hex(8)
    async with redis.pipeline() as p:
        p.zadd(key, {member: now})
        p.zcard(key)
        p.expire(key, seconds)
        _, count, _ = await p.execute()
    if count > limit:
        await redis.zrem(key, member)
    return count <= limit
