import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is not None:
        return None if stored == b"nothing" else json.loads(stored)
    value = await load(user_id)
    await redis.set(key, "nothing" if value is None else json.dumps(value), ex=300)
    return value
