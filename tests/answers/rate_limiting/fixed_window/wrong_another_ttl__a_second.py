import time


async def answer(redis, key, limit, seconds):
    window = f"{key}:{int(time.time())}"
    count = await redis.incr(window)
    if count == 1:
        await redis.expire(window, seconds)
    return count <= limit
