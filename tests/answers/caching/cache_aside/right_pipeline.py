import json


async def answer(redis, user_id, load):
    key = "stats:" + str(user_id)
    if (stored := await redis.get(key)) is None:
        stored = json.dumps(await load(user_id)).encode()
        async with redis.pipeline() as pipeline:
            await pipeline.set(key, stored).expire(key, 300).execute()
    return json.loads(stored)
