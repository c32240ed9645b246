async def answer(redis, user_id, write):
    await write()
    name = f"keys:{user_id}"
    expired = [await redis.expire(key, 0) for key in await redis.smembers(name)]
    await redis.unlink(name)
    return sum(map(int, expired))
