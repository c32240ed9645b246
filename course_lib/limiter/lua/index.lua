-- The index of what a user has spent: a sorted set, by when each entry may be forgotten.
-- Joined in front of each algorithm; times are in microseconds.
--
-- KEYS  1 the index

-- Keep `entry` for at least `lifetime` from now, and drop the entries whose time is over.
local function add_to_index(entry, lifetime)
  redis.call("ZADD", KEYS[1], "GT", now + lifetime, entry)
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
  local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
  redis.call("PEXPIRE", KEYS[1], math.ceil((last - now) / 1000))
end
