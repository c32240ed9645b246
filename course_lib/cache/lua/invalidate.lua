-- Removes a batch of a user's entries, values and leases alike.
-- It removes a batch, not all of them, because every other client waits while a script runs.
--
-- KEYS  1 the user's index   2 the mark   3 the prefix of entry names (all in one cluster slot)
-- ARGV  1 the size of the batch
-- Returns how many entries were removed, and how many are left in the index.
--
-- An entry from before the namespace was cleared is in the index under an earlier mark. It doesn't
-- count any more, so it's left to expire. The index forgets its entries last: if removing them
-- failed, the next invalidation has to find them.

local mark = redis.call("MGET", KEYS[2])[1] or ""
local members = redis.call("ZRANGE", KEYS[1], 0, ARGV[1] - 1)
local entries = {}
for _, member in ipairs(members) do
  if string.sub(member, 1, #mark) == mark then
    entries[#entries + 1] = KEYS[3] .. string.sub(member, #mark + 1)
  end
end
local removed = 0
if #entries > 0 then
  removed = redis.call("UNLINK", unpack(entries))
end
if #members > 0 then
  redis.call("ZREMRANGEBYRANK", KEYS[1], 0, #members - 1)
end
return {removed, redis.call("ZCARD", KEYS[1])}
