-- Reads an entry, and if its value is past its TTL, takes the lease of a load to refresh it.
-- Times are in milliseconds.
--
-- KEYS  1 the entry   2 the mark
-- ARGV  1 how long a value is kept after its TTL   2 the lease   3 when the lease lapses
-- Returns what the entry holds ("" if nothing), and a number: 0 if it isn't stale, 1 if another
-- load refreshes it, 2 if the lease was granted.
--
-- The lease is in front of the value. So an invalidation removes both, and a refresh that began
-- before it can't store what it read.

local kept, lease, duration = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local mark, held = unpack(redis.call("MGET", KEYS[2], KEYS[1]))
mark = mark or ""
if not held or string.sub(held, 1, #mark) ~= mark then
  return {"", 0}
end

local content = string.sub(held, #mark + 1)
local left = redis.call("PTTL", KEYS[1])
local kind = string.sub(content, 1, 1)
if kind == "\0" or left < 0 or left > kept then
  return {content, 0}
end
if kind == "\2" then
  local lapse = tonumber(string.sub(content, #lease + 1, #lease + 12)) or 0
  if left > lapse then
    return {content, 1}
  end
  content = string.sub(content, #lease + 13)
end
local lapse = string.format("%012d", math.max(left - duration, 0))
redis.call("SET", KEYS[1], mark .. lease .. lapse .. content, "KEEPTTL")
return {content, 2}
