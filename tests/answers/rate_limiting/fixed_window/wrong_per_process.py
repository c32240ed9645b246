counts = {}


async def answer(redis, key, limit, seconds):
    counts[key] = counts.get(key, 0) + 1
    await redis.set(key, counts[key], ex=seconds, nx=True)
    return counts[key] <= limit
