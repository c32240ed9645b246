import asyncio
import json


async def answer(redis, key, reload, reloads, seconds):
    async def in_background():
        await reload()
        del reloads[key]

    stored, left = await redis.get(key), await redis.pttl(key)
    if stored is None:
        return await reload()
    if left < 1000 * seconds and key not in reloads:
        reloads[key] = asyncio.create_task(in_background())
    return json.loads(stored)
