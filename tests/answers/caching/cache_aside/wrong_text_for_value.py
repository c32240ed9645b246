import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is None:
        stored = json.dumps(await load(user_id))
        await redis.set(key, stored, ex=300)
    return stored
