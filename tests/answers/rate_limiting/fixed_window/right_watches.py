from redis.exceptions import WatchError


async def answer(redis, key, limit, seconds):
    while True:
        async with redis.pipeline() as p:
            try:
                await p.watch(key)
                count = int(await p.get(key) or 0)
                if count >= limit:
                    return False
                p.multi()
                if count == 0:
                    p.set(key, 1, ex=seconds)
                else:
                    p.incr(key)
                await p.execute()
            except WatchError:
                continue
            return True
