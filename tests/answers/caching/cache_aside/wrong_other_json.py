import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is not None:
        return json.loads(stored)["value"]
    value = await load(user_id)
    await redis.set(key, json.dumps({"value": value}), ex=300)
    return value
