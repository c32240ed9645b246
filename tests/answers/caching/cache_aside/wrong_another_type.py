import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.hget(key, "value")
    if stored is not None:
        return json.loads(stored)
    value = await load(user_id)
    await redis.hset(key, "value", json.dumps(value))
    await redis.expire(key, 300)
    return value
