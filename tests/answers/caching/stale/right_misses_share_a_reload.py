import asyncio
import json


async def answer(redis, key, reload, reloads, seconds):
    stored, left = await asyncio.gather(redis.get(key), redis.pttl(key))
    if left < 1_000 * seconds:
        if key not in reloads:
            reloads[key] = asyncio.create_task(reload())
            reloads[key].add_done_callback(lambda done: reloads.pop(key, None))
        if stored is None:
            return await asyncio.shield(reloads[key])
    return json.loads(stored)
