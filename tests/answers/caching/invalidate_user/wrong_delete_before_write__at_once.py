import asyncio


async def answer(redis, user_id, write):
    async def remove():
        keys = await redis.smembers(f"keys:{user_id}")
        await redis.delete(f"keys:{user_id}", *keys)
        return len(keys)

    _, removed = await asyncio.gather(write(), remove())
    return removed
