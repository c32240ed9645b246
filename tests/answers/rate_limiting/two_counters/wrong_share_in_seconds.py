async def answer(redis, key, limit, seconds, now):
    window = int(now // seconds)
    async with redis.pipeline() as p:
        p.incr(f"{key}:{window}")
        p.expire(f"{key}:{window}", 2 * seconds)
        p.get(f"{key}:{window - 1}")
        answers = await p.execute()
    left = seconds - now % seconds
    passes = answers[0] + left * int(answers[2] or 0) <= limit
    if not passes:
        await redis.decr(f"{key}:{window}")
    return passes
