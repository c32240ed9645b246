-- Removes a batch of a user's entries, values and leases alike. A batch and not all: while a script runs, everybody waits.
--
-- KEYS  1 the user's index   2 what the names of entries begin with (they share its slot in a cluster)
-- ARGV  1 how many at most
-- Returns how many entries were removed, and how many are left in the index.

local popped = redis.call("ZPOPMIN", KEYS[1], ARGV[1])  -- name, moment of expiry, name, moment ...
if #popped == 0 then
  return {0, 0}
end
local entries = {}
for place = 1, #popped, 2 do
  entries[#entries + 1] = KEYS[2] .. popped[place]
end
return {redis.call("UNLINK", unpack(entries)), redis.call("ZCARD", KEYS[1])}
