import uuid


async def answer(redis, key, limit, seconds, now):
    member = str(uuid.uuid4())
    pipe = redis.pipeline(transaction=True)
    pipe.zremrangebyscore(key, 0, now - seconds)
    pipe.zadd(key, {member: now})
    pipe.zcard(key)
    pipe.pexpire(key, 1000 * seconds)
    counted = (await pipe.execute())[2]
    passes = counted <= limit
    if not passes:
        await redis.zrem(key, member)
    return passes
