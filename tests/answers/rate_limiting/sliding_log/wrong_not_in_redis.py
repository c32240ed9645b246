log = {}


async def answer(redis, key, limit, seconds, now):
    recent = [then for then in log.get(key, []) if then > now - seconds]
    log[key] = [*recent, now] if len(recent) < limit else recent
    return len(recent) < limit
