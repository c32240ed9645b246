async def answer(redis, key, limit, seconds, now):
    window = int(now // seconds)
    count = int(await redis.get(f"{key}:{window}") or 0)
    before = int(await redis.get(f"{key}:{window - 1}") or 0)
    if count + 1 + (1 - now % seconds / seconds) * before > limit:
        return False
    await redis.set(f"{key}:{window}", count + 1, ex=2 * seconds)
    return True
