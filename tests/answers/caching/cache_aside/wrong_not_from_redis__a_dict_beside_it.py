import json

seen = {}


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if key in seen:
        return seen[key]
    if stored is not None:
        return json.loads(stored)
    value = await load(user_id)
    seen[key] = value
    await redis.set(key, json.dumps(value), ex=300)
    return value
