SCRIPT = """
local count = redis.call("INCR", KEYS[1])
if count == 1 then
  redis.call("EXPIRE", KEYS[1], ARGV[1])
end
return count
"""


async def answer(redis, key, limit, seconds):
    return await redis.eval(SCRIPT, 1, key, seconds) <= limit
