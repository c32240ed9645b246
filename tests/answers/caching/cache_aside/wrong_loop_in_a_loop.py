import json, asyncio
def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = asyncio.run(redis.get(key))
    if stored is not None:
        return json.loads(stored)
    return asyncio.run(load(user_id))
