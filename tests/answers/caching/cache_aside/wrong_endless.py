async def answer(redis, user_id, load):
    while True:
        if await redis.get(f"stats:{user_id}"):
            return await load(user_id)
