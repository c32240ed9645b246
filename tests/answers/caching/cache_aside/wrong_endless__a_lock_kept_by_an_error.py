import asyncio
import json


async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    while stored is None and not await redis.set(f"lock:{key}", 1, nx=True, ex=10):
        await asyncio.sleep(0.01)
        stored = await redis.get(key)
    if stored is not None:
        return json.loads(stored)
    value = await load(user_id)
    await redis.set(key, json.dumps(value), ex=300)
    await redis.delete(f"lock:{key}")
    return value
