-- Writes a worker's running total, unless the worker was folded: then its total would count twice.
--
-- KEYS  1 the worker's hash   2 the workers, by the time of their last report
--       3 the number of the worker's folded report
-- ARGV  1 the worker's ID   2 the number of this report   3 the total
--       4 the TTL of the keys, in milliseconds
-- Returns nil if the total was written, else the number of the folded report.

local folded = redis.call("GET", KEYS[3])
if folded then
  return folded
end
local time = redis.call("TIME")
redis.call("HSET", KEYS[1], "number", ARGV[2], "total", ARGV[3])
redis.call("ZADD", KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
redis.call("PEXPIRE", KEYS[1], ARGV[4])
redis.call("PEXPIRE", KEYS[2], ARGV[4])
return nil
