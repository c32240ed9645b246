import json
async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is not None:
        return json.loads(stored)
    for attempt in range(3):
        try:
            value = await load(user_id)
            break
        except Exception:
            if attempt == 2: raise
    await redis.set(key, json.dumps(value), ex=300)
    return value
