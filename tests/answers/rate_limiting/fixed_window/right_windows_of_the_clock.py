import time


async def answer(redis, key, limit, seconds):
    window = f"{key}:{int(time.time() // seconds)}"
    count = await redis.incr(window)
    await redis.expire(window, seconds)  # each time: the next window has another key
    return count <= limit
