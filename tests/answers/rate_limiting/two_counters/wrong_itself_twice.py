async def answer(redis, key, limit, seconds, now):
    window = int(now // seconds)
    async with redis.pipeline() as p:
        p.incr(f"{key}:{window}")
        p.expire(f"{key}:{window}", 2 * seconds)
        p.get(f"{key}:{window - 1}")
        answers = await p.execute()
    share = 1 - now % seconds / seconds
    is_allowed = answers[0] + 1 + share * int(answers[2] or 0) <= limit
    if not is_allowed:
        await redis.decr(f"{key}:{window}")
    return is_allowed
