async def answer(redis, user_id, write):
    try:
        await write()
    except Exception as e:
        raise RuntimeError("write failed") from e
    keys = await redis.smembers(f"keys:{user_id}")
    await redis.delete(*keys, f"keys:{user_id}")
    return len(keys)
