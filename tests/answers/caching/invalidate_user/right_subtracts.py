async def answer(redis, user_id, write):
    await write()
    index = f"keys:{user_id}"
    members = await redis.smembers(index)
    removed = await redis.unlink(index, *members)
    return max(removed - 1, 0)
