import json


async def answer(redis, key, reload, reloads, seconds):
    stored, left = await redis.get(key), await redis.pttl(key)
    if stored is None or left < 1000 * seconds:
        return await reload()
    return json.loads(stored)
