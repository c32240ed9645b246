import asyncio
import json


async def answer(redis, key, reload, reloads, seconds):
    async with redis.pipeline() as pipeline:
        stored, left = await pipeline.get(key).pttl(key).execute()
    if stored is None:
        return await reload()
    is_fresh = left >= seconds * 1000
    running = reloads.get(key)
    if not is_fresh and (running is None or running.done()):
        reloads[key] = asyncio.ensure_future(reload())
    return json.loads(stored)
