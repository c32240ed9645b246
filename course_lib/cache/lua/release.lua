-- Removes an entry if it still holds this lease, and leaves anything else that has replaced it.
--
-- KEYS  1 the entry
-- ARGV  1 the lease
-- Returns how many entries were removed.

local held = redis.call("MGET", KEYS[1])[1] or ""
if string.sub(held, 1, 1) == "\1" then  -- a mark of nine bytes; no two leases are the same
  held = string.sub(held, 10)
end
if string.sub(held, 1, #ARGV[1]) == ARGV[1] then
  return redis.call("UNLINK", KEYS[1])
end
return 0
