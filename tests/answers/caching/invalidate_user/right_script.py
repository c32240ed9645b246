async def answer(redis, user_id, write):
    await write()
    script = "local n = 0 for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do n = n + redis.call('DEL', ARGV[1] .. k) end redis.call('DEL', KEYS[1]) return n"
    return await redis.eval(script, 1, f"keys:{user_id}", getattr(redis, "prefix", ""))
