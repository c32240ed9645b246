async def answer(redis, user_id, write):
    await write()
    keys = await redis.keys(f"stats:{user_id}*") + await redis.keys(f"*:{user_id}*")
    await redis.delete(f"keys:{user_id}", *keys)
    return len(keys)
