import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is not None:
        await redis.incr("hits")
        return json.loads(stored)
    await redis.incr("misses")
    value = await load(user_id)
    await redis.set(key, json.dumps(value), ex=300)
    await redis.sadd(f"keys:{user_id}", key)
    return value
