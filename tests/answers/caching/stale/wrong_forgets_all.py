import asyncio
import json


async def answer(redis, key, reload, reloads, seconds):
    stored, left = await redis.get(key), await redis.pttl(key)
    if stored is None:
        return await reload()
    if left < 1000 * seconds and key not in reloads:
        reloads[key] = asyncio.create_task(reload())
        reloads[key].add_done_callback(lambda _: reloads.clear())
    return json.loads(stored)
