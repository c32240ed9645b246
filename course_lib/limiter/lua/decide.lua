-- Decide on one request, and count it if every limit has a request left.
-- Joined after clock.lua, index.lua and an algorithm, which defines two functions:
--
--   check(limit)  read the state of a limit and set its remaining, reset_after and retry_after
--   spend(limit)  count the request; return how long the index has to keep the entry, 0 if
--                 an earlier request has seen to that
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the state of each limit
-- ARGV  1 the time (clock.lua)   2 the entry for the index; "" to check and spend nothing
--       3, 4 ... for each limit: its requests, window and burst (`requests` without a burst)
-- Returns for each limit {remaining, reset_after, retry_after}: the requests left, how long until
-- all of them are available again, and how long until one is (0 if one was). Times are in
-- microseconds.

local limits, allowed = {}, true
local argument = 3
for i = 2, #KEYS do
  local limit = {
    key = KEYS[i],
    requests = tonumber(ARGV[argument]),
    window = tonumber(ARGV[argument + 1]),
    burst = tonumber(ARGV[argument + 2]),
  }
  argument = argument + 3
  check(limit)
  allowed = allowed and limit.remaining > 0
  limits[#limits + 1] = limit
end

if allowed and ARGV[2] ~= "" then
  local lifetime = 0
  for _, limit in ipairs(limits) do
    limit.remaining = limit.remaining - 1
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
