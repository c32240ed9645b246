async def answer(redis, user_id, write):
    await write()
    removed = 0
    while (key := await redis.spop(f"keys:{user_id}")) is not None:
        removed += await redis.delete(key)
    return removed
