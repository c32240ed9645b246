NOTHING = object()


async def answer(cache, user_id, load_user, load_platform):
    async def part(key, load, ttl, **options):
        value = await cache.get(key, NOTHING)
        if value is NOTHING:
            value = await load()
            await cache.set(key, value, ttl, **options)
        return value

    return {
        "user": await part(f"stats:{user_id}", lambda: load_user(user_id), 300, user_id=user_id),
        "platform": await part("stats:all", load_platform, 60),
    }
