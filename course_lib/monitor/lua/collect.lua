-- Reads the past and all workers' totals at once, so a worker that's being folded counts once.
-- Forgets the totals of earlier generations.
--
-- KEYS  1 the past   2 the workers, by the time of their last report
--       3 the prefix of the workers' hashes (in a cluster, they share its slot)
-- ARGV  1 the time without a report after which a worker is dead, in milliseconds
-- Returns the total of the past, the number of folds, the generation, and for each worker a list:
-- its ID, the number of its last report, its total (both false if they can't be read), and 1 if
-- it's dead, else 0.

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local past = redis.call("HMGET", KEYS[1], "total", "folds", "generation")
local reply = {past[1], past[2] or "0", past[3] or ""}
local workers = redis.call("ZRANGE", KEYS[2], 0, -1, "WITHSCORES")  -- ID, time, ID, time ...
for index = 1, #workers, 2 do
  local worker, age = workers[index], now - workers[index + 1]
  local key = KEYS[3] .. worker
  local report = redis.pcall("HMGET", key, "number", "total", "generation")
  if report.err then
    report = {false, false, false}  -- a key of another type
  end
  if report[3] and report[3] ~= past[3] then
    redis.call("UNLINK", key)
    redis.call("ZREM", KEYS[2], worker)
  else
    -- A report from the future isn't ours, or the clock was set back.
    local dead = math.abs(age) > tonumber(ARGV[1]) and 1 or 0
    reply[#reply + 1] = {worker, report[1], report[2], dead}
  end
end
return reply
