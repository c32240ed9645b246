counts = {}


async def answer(redis, key, limit, seconds):
    counts[key] = counts.get(key, 0) + 1
    return counts[key] <= limit
