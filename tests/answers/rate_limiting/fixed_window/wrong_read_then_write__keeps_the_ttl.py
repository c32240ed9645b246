async def answer(redis, key, limit, seconds):
    count = int(await redis.get(key) or 0)
    if count >= limit:
        return False
    if count == 0:
        await redis.set(key, 1, ex=seconds)
    else:
        await redis.set(key, count + 1, keepttl=True)
    return True
