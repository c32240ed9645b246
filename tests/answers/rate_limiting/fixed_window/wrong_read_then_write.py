async def answer(redis, key, limit, seconds):
    count = int(await redis.get(key) or 0)
    if count >= limit:
        return False
    await redis.set(key, count + 1, ex=seconds, keepttl=False)
    return True
