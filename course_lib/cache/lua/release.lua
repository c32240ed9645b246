-- Removes an entry if it still holds this lease, and leaves anything else that has replaced it.
--
-- KEYS  1 the entry
-- ARGV  1 the lease
-- Returns how many entries were removed.

if redis.call("GET", KEYS[1]) == ARGV[1] then
  return redis.call("UNLINK", KEYS[1])
end
return 0
