-- Fixed window: so many requests in each window of the clock. Windows begin at multiples of their length.
-- Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the state of each limit: when its window ends, and the count
-- ARGV  1 the clock; "" for the server's own   2 the name in the index; "" to look and spend nothing
--       3, 4 ... of each limit: how many requests, in how long
-- Returns three numbers for each limit: how many requests are left, how long until all are there again, and how long
-- until there is one (0 where there was one). A request is admitted where every limit has one.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local answer, admitted = {}, true
local ends, count = {}, {}
for i = 2, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local state = redis.call("HMGET", KEYS[i], "ends", "count")
  ends[i], count[i] = tonumber(state[1]), tonumber(state[2])
  -- Where the clock was set back, a window that lies a little ahead goes on. One far ahead would lock the user out.
  if not ends[i] or ends[i] <= now or ends[i] > now + 2 * window then
    ends[i], count[i] = now - now % window + window, 0
  end
  local left = math.max(limit - count[i], 0)
  answer[#answer + 1] = left
  answer[#answer + 1] = count[i] > 0 and ends[i] - now or 0
  answer[#answer + 1] = left > 0 and 0 or ends[i] - now
  admitted = admitted and left > 0
end

if admitted and ARGV[2] ~= "" then
  local first_of_window, last_end = false, 0
  for i = 2, #KEYS do
    redis.call("HSET", KEYS[i], "ends", ends[i], "count", count[i] + 1)
    if count[i] == 0 then
      redis.call("PEXPIRE", KEYS[i], math.ceil((ends[i] - now) / 1000))
      first_of_window = true
    end
    last_end = math.max(last_end, ends[i])
    answer[3 * i - 5] = answer[3 * i - 5] - 1
    answer[3 * i - 4] = ends[i] - now
  end
  if first_of_window then  -- the index: a sorted set, by when each entry may be forgotten
    redis.call("ZADD", KEYS[1], last_end, ARGV[2])
    redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
    local longest = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
    redis.call("PEXPIRE", KEYS[1], math.ceil((longest - now) / 1000))
  end
end
return answer
