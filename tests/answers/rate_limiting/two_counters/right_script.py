SCRIPT = """
local limit, share = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = tonumber(redis.call("GET", KEYS[2]) or 0)
local now = tonumber(redis.call("GET", KEYS[1]) or 0)
if now + 1 + share * before > limit then
  return 0
end
redis.call("INCR", KEYS[1])
redis.call("EXPIRE", KEYS[1], ARGV[3])
return 1
"""


async def answer(redis, key, limit, seconds, now):
    window, passed = divmod(now, seconds)
    keys = [f"{key}:{window:.0f}", f"{key}:{window - 1:.0f}"]
    return bool(await redis.eval(SCRIPT, 2, *keys, limit, 1 - passed / seconds, 2 * seconds))
