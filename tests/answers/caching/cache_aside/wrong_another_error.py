import json
async def answer(redis, user_id, load):
    key = f"stats:{user_id}"
    stored = await redis.get(key)
    if stored is not None:
        return json.loads(stored)
    try:
        value = await load(user_id)
    except Exception as error:
        raise RuntimeError(f"could not load: {error}") from error
    await redis.set(key, json.dumps(value), ex=300)
    return value
