import json


async def answer(redis, key, reload, reloads, seconds):
    stored = await redis.get(key)
    if stored is None:
        return await reload()
    return json.loads(stored)
