import asyncio
import json


async def answer(redis, key, reload, reloads, seconds):
    stored, left = await redis.get(key), await redis.pttl(key)
    if stored is None:
        return await reload()
    if left < 1000 * seconds and not reloads:
        reloads["task"] = asyncio.create_task(reload())
        reloads["task"].add_done_callback(lambda _: reloads.clear())
    return json.loads(stored)
