-- The clock of a decision: `now`, in microseconds. Joined in front of each algorithm.
--
-- ARGV  1 the time; "" for the server's own clock
-- TIME replies with seconds and the microseconds of the current second.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end
