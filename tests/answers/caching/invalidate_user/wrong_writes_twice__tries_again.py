async def answer(redis, user_id, write):
    try:
        await write()
    except Exception:
        await write()
    keys = await redis.smembers(f"keys:{user_id}")
    await redis.delete(f"keys:{user_id}", *keys)
    return len(keys)
