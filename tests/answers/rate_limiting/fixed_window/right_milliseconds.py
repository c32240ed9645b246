async def answer(redis, key, limit, seconds):
    number = await redis.incrby(key, 1)
    if number < 2:
        await redis.pexpire(key, 1000 * seconds)
    if number > limit:
        return False
    return True
