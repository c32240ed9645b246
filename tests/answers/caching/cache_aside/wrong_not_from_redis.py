import json

values = {}


async def answer(redis, user_id, load):
    if user_id not in values:
        values[user_id] = await load(user_id)
        await redis.set(f"stats:{user_id}", json.dumps(values[user_id]), ex=300)
    return values[user_id]
