-- Removes a batch of a user's entries, values and leases alike.
-- It removes a batch, not all of them, because every other client waits while a script runs.
--
-- KEYS  1 the user's index   2 the prefix of entry names (in the same slot of a cluster)
-- ARGV  1 the size of the batch
-- Returns how many entries were removed, and how many are left in the index.

local popped = redis.call("ZPOPMIN", KEYS[1], ARGV[1])  -- key, expiry time, key, expiry time, ...
if #popped == 0 then
  return {0, 0}
end
local entries = {}
for i = 1, #popped, 2 do
  entries[#entries + 1] = KEYS[2] .. popped[i]
end
return {redis.call("UNLINK", unpack(entries)), redis.call("ZCARD", KEYS[1])}
