-- Writes an entry of the cache where a condition holds, and notes it in the index of the user whose it is.
-- Times are in milliseconds.
--
-- KEYS  1 the entry   2 the user's index, where it is somebody's
-- ARGV  1 what to store   2 for how long   3 what must stand there now: "" for nothing, "*" for whatever
--       4 the entry's name in the index
-- Returns nil when written, else what stands there.
--
-- The index is a sorted set by the moment at which each entry expires: so it can forget what has expired, and it
-- outlives the longest of its entries, whatever order they were written in.

if ARGV[3] ~= "*" then
  local found = redis.call("GET", KEYS[1]) or ""
  if found ~= ARGV[3] then
    return found
  end
end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])

if KEYS[2] then
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call("ZADD", KEYS[2], now + ARGV[2], ARGV[4])
  -- A hundred for each one that is added: it cannot grow for ever, and nobody waits while thousands go.
  local expired = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", "(" .. now, "LIMIT", 0, 100)
  if #expired > 0 then
    redis.call("ZREM", KEYS[2], unpack(expired))
  end
  local longest = redis.call("ZRANGE", KEYS[2], -1, -1, "WITHSCORES")
  -- A second longer: before Redis 7.2 the clock goes on while a script runs, and an index whose end has come by now
  -- would be gone at once, with its entry still there for the rest of the millisecond.
  redis.call("PEXPIREAT", KEYS[2], longest[2] + 1000)
end
