async def answer(redis, user_id, write):
    await write()
    keys = await redis.keys("*")
    return await redis.delete(*keys)
