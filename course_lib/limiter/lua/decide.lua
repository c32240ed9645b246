-- Decide on one request, and count it if every limit has a request left.
-- Joined after clock.lua, index.lua and an algorithm, which defines two functions:
--
--   check(limit)  read the state of a limit and set its remaining, reset_after and retry_after,
--                 which counts only if fewer than the cost are left
--   spend(limit)  count the request; return how long the index has to keep the entry, 0 if
--                 an earlier request has seen to that
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the state of each limit
-- ARGV  1 the time (clock.lua)   2 the entry for the index; "" to check and spend nothing
--       3, 4 ... for each limit: its requests, window and burst (`requests` without a burst)
--       last, optional: the cost, in requests; 1 by default, at most the whole of a limit
-- Returns for each limit {remaining, reset_after, retry_after}: the requests left, how long until
-- all of them are available again, and how long until the cost is (0 if it was). Times are in
-- microseconds.

local limits, allowed = {}, true
local cost = tonumber(ARGV[3 * #KEYS]) or 1
local argument = 3
for i = 2, #KEYS do
  local limit = {
    key = KEYS[i],
    requests = tonumber(ARGV[argument]),
    window = tonumber(ARGV[argument + 1]),
    burst = tonumber(ARGV[argument + 2]),
  }
  argument = argument + 3
  limit.cost = math.min(cost, limit.burst)
  check(limit)
  if limit.remaining >= limit.cost then
    limit.retry_after = 0
  else
    limit.retry_after = math.max(limit.retry_after, 1)  -- huge limits are rounded
    allowed = false
  end
  limits[#limits + 1] = limit
end

if allowed and ARGV[2] ~= "" then
  local lifetime = 0
  for _, limit in ipairs(limits) do
    limit.remaining = limit.remaining - limit.cost
    lifetime = math.max(lifetime, spend(limit))
  end
  if lifetime > 0 then
    add_to_index(ARGV[2], lifetime)
  end
end

local reply = {}
for i, limit in ipairs(limits) do
  reply[i] = {limit.remaining, limit.reset_after, limit.retry_after}
end
return reply
