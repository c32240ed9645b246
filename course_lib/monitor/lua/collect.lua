-- Reads what all workers have counted, in one go: none is seen twice, or not at all, while it is being folded in.
--
-- KEYS  1 the past   2 the workers, by the moment of their last report
--       3 what the names of workers' hashes begin with (they share its slot in a cluster)
-- ARGV  1 the milliseconds without a report after which a worker is dead
-- Returns the total of the past, how often one was folded in, and for each worker a list: its name, the number of its
-- report, its total, and 1 where it is dead.

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local past = redis.call("HMGET", KEYS[1], "total", "folds")
local found = {past[1], past[2] or "0"}
local workers = redis.call("ZRANGE", KEYS[2], 0, -1, "WITHSCORES")  -- name, moment, name, moment ...
for place = 1, #workers, 2 do
  local report = redis.call("HMGET", KEYS[3] .. workers[place], "number", "total")
  local dead = now - workers[place + 1] > tonumber(ARGV[1]) and 1 or 0
  found[#found + 1] = {workers[place], report[1], report[2], dead}
end
return found
