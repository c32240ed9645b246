-- Fixed window: so many requests in each window of the clock. Windows begin at multiples of their length.
-- Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... what the names of each limit's counters begin with
-- ARGV  1 the clock; "" for the server's own   2 the name in the index; "" to look and spend nothing
--       3, 4 ... of each limit: how many requests, in how long
-- Returns three numbers for each limit: how many requests are left, how long until all are there again, and how long
-- until there is one (0 where there was one). A request is admitted where every limit has one.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local answer, admitted, counters = {}, true, {}
for i = 2, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local wait = window - now % window
  counters[i] = KEYS[i] .. (now + wait) / window  -- each window has a counter of its own
  local count = tonumber(redis.call("GET", counters[i])) or 0
  local place = 3 * i - 5
  answer[place] = math.max(limit - count, 0)
  answer[place + 1] = count > 0 and wait or 0
  answer[place + 2] = 0
  if count >= limit then
    answer[place + 2] = wait
    admitted = false
  end
end
if not admitted or ARGV[2] == "" then
  return answer
end

local longest = 0  -- of the windows that this request is the first in
for i = 2, #KEYS do
  local place = 3 * i - 5
  local wait = answer[place + 1]
  answer[place] = answer[place] - 1
  if redis.call("INCR", counters[i]) == 1 then
    local window = tonumber(ARGV[2 * i])
    wait = window - now % window
    answer[place + 1] = wait
    local more = ARGV[1] == "" and 1 or 1000  -- a clock that is turned by hand may stand still meanwhile
    redis.call("PEXPIRE", counters[i], math.ceil(wait / 1000) + more)
    longest = math.max(longest, wait)
  end
end
if longest > 0 then  -- the index is a sorted set, by when each entry may be forgotten
  redis.call("ZADD", KEYS[1], "GT", now + longest, ARGV[2])
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
  local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
  redis.call("PEXPIRE", KEYS[1], math.ceil((last - now) / 1000))
end
return answer
