import asyncio
import json


async def answer(redis, key, reload, reloads, seconds):
    stored, left = await redis.get(key), await redis.pttl(key)
    if stored is None:
        return await reload()

    async def reload_and_unlock():
        try:
            await reload()
        finally:
            await redis.delete(f"lock:{key}")

    if left < 1000 * seconds and await redis.set(f"lock:{key}", 1, nx=True, ex=10):
        task = asyncio.create_task(reload_and_unlock())
        reloads[task] = task
        task.add_done_callback(reloads.pop)
    return json.loads(stored)
