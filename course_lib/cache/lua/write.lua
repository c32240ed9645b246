-- Writes an entry if a condition holds, and adds it to the index of the user who owns it.
-- Times are in milliseconds.
--
-- KEYS  1 the entry   2 the user's index, if the entry belongs to a user
-- ARGV  1 the content   2 the TTL
--       3 the condition: "" if the entry must not exist, "*" for any, else what it must hold now
--       4 the entry's name in the index
-- Returns nil if the entry was written, else what it holds.
--
-- The index is a sorted set by expiry time. So it can forget entries that have expired, and it
-- outlives the last of its entries, no matter in which order they were written.

if ARGV[3] ~= "*" then
  local held = redis.call("GET", KEYS[1]) or ""
  if held ~= ARGV[3] then
    return held
  end
end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])

if KEYS[2] then
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call("ZADD", KEYS[2], now + ARGV[2], ARGV[4])
  -- Up to 100 for each entry added: the index can't grow without bound, and no client waits while
  -- thousands are removed.
  local expired = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", "(" .. now, "LIMIT", 0, 100)
  if #expired > 0 then
    redis.call("ZREM", KEYS[2], unpack(expired))
  end
  local last = redis.call("ZRANGE", KEYS[2], -1, -1, "WITHSCORES")
  -- One second longer: before Redis 7.2 the clock advances while a script runs. An index that had
  -- expired by this line would be removed at once, while its entry exists for the rest of its
  -- millisecond.
  redis.call("PEXPIREAT", KEYS[2], last[2] + 1000)
end
