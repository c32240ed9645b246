import secrets

SCRIPT = """
local now, limit, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now - seconds)
if redis.call("ZCARD", KEYS[1]) >= limit then
  return 0
end
redis.call("ZADD", KEYS[1], now, ARGV[4])
redis.call("EXPIRE", KEYS[1], seconds)
return 1
"""


async def answer(redis, key, limit, seconds, now):
    return await redis.eval(SCRIPT, 1, key, now, limit, seconds, secrets.token_hex(8)) == 1
