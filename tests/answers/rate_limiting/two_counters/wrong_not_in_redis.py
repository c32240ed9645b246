counts = {}


async def answer(redis, key, limit, seconds, now):
    window = now // seconds
    count = counts.get((key, window), 0) + 1
    passes = count + (1 - now % seconds / seconds) * counts.get((key, window - 1), 0) <= limit
    counts[key, window] = count if passes else count - 1
    return passes
