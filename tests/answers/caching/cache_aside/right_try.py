import json


async def answer(redis, user_id, load):
    try:
        return json.loads(await redis.get(f"stats:{user_id}"))
    except TypeError:
        value = await load(user_id)
        await redis.set(f"stats:{user_id}", json.dumps(value, separators=(",", ":")), ex=300)
        return value
