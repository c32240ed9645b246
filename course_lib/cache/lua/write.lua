-- Writes an entry if a condition holds, and adds it to the index of the user who owns it.
-- Times are in milliseconds.
--
-- KEYS  1 the entry   2 the mark   3 the user's index, if the entry belongs to a user
-- ARGV  1 the content   2 the TTL
--       3 the condition: "" if the entry must not exist, "*" for any, else the lease it must hold
--       4 the entry's key, for the index
-- Returns nil if the entry was written, or 1 if it also replaced a key of another type. Otherwise
-- returns what the entry holds, "" if that's nothing (the lease has gone).
--
-- The index is a sorted set by expiry time. So it can forget entries that have expired, and it
-- outlives the last of its entries, no matter in which order they were written.

local content, ttl, condition = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local mark = redis.pcall("GET", KEYS[2])
if type(mark) ~= "string" then  -- there's none, or a key of another type
  mark = ""
end
local replaced = nil

if condition ~= "*" then
  -- MGET reads a key of another type as missing, where GET would raise an error.
  local held = redis.call("MGET", KEYS[1])[1]
  local current = ""
  if held and string.sub(held, 1, #mark) == mark then
    current = string.sub(held, #mark + 1)
  end
  local is_absent = condition == "" and current == ""
  local has_lease = condition ~= "" and string.sub(current, 1, #condition) == condition
  if not is_absent and not has_lease then
    return current
  end
  if not held and redis.call("EXISTS", KEYS[1]) == 1 then
    replaced = 1
  end
end

if KEYS[3] then  -- first, because it fails if the index is of another type
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local added = redis.call("ZADD", KEYS[3], now + ttl, mark .. ARGV[4])
  if added == 1 then
    -- Up to 100 for each entry added: the index can't grow without bound, and no client waits
    -- while thousands are removed.
    local expired = redis.call("ZRANGEBYSCORE", KEYS[3], "-inf", "(" .. now, "LIMIT", 0, 100)
    if #expired > 0 then
      redis.call("ZREM", KEYS[3], unpack(expired))
    end
  end
  -- One second longer: before Redis 7.2 the clock advances while a script runs. An index that had
  -- expired by this line would be removed at once, while its entry exists for the rest of its
  -- millisecond.
  if redis.call("PTTL", KEYS[3]) < ttl + 1000 then
    redis.call("PEXPIRE", KEYS[3], ttl + 1000)
  end
end
redis.call("SET", KEYS[1], mark .. content, "PX", ttl)
return replaced
