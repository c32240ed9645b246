SCRIPT = """
local keys = redis.call('SMEMBERS', KEYS[1])
local removed = 0
for _, key in ipairs(keys) do removed = removed + redis.call('DEL', key) end
redis.call('DEL', KEYS[1])
return removed
"""


async def answer(redis, user_id, write):
    await write()
    return await redis.eval(SCRIPT, 1, f"keys:{user_id}")
