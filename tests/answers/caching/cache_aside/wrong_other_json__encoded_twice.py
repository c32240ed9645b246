import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is not None:
        return json.loads(json.loads(stored))
    value = await load(user_id)
    await redis.set(key, json.dumps(json.dumps(value)), ex=300)
    return value
