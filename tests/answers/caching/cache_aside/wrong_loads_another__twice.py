import json


async def answer(redis, user_id, load):
    stored = await redis.get(f"stats:{user_id}")
    if stored is not None:
        return json.loads(stored)
    await redis.set(f"stats:{user_id}", json.dumps(await load(user_id)), ex=300)
    return await load(user_id)
