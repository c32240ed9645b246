import json


async def answer(redis, user_id, load):
    stored = await redis.getdel(f"stats:{user_id}")
    if stored is not None:
        return json.loads(stored)
    value = await load(user_id)
    await redis.set(f"stats:{user_id}", json.dumps(value), ex=300)
    return value
