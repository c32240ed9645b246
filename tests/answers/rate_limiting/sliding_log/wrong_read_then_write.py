import secrets


async def answer(redis, key, limit, seconds, now):
    await redis.zremrangebyscore(key, "-inf", now - seconds)
    if await redis.zcard(key) >= limit:
        return False
    await redis.zadd(key, {secrets.token_hex(8): now})
    await redis.expire(key, seconds)
    return True
