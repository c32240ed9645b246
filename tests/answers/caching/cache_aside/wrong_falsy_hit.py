import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    value = json.loads(await redis.get(key) or "null")
    if value:
        return value
    value = await load(user_id)
    await redis.set(key, json.dumps(value), ex=300)
    return value
