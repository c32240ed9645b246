-- Reads the past and all workers' totals at once, so a worker that's being folded counts once.
--
-- KEYS  1 the past   2 the workers, by the time of their last report
--       3 the prefix of the workers' hashes (in a cluster, they share its slot)
-- ARGV  1 the time without a report after which a worker is dead, in milliseconds
-- Returns the total of the past, the number of folds, and for each worker a list: its ID, the
-- number of its last report, its total, and 1 if it's dead, else 0.

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local past = redis.call("HMGET", KEYS[1], "total", "folds")
local reply = {past[1], past[2] or "0"}
local workers = redis.call("ZRANGE", KEYS[2], 0, -1, "WITHSCORES")  -- ID, time, ID, time ...
for index = 1, #workers, 2 do
  local worker, reported = workers[index], workers[index + 1]
  local report = redis.call("HMGET", KEYS[3] .. worker, "number", "total")
  local dead = now - reported > tonumber(ARGV[1]) and 1 or 0
  reply[#reply + 1] = {worker, report[1], report[2], dead}
end
return reply
