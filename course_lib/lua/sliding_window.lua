-- Sliding window by two counters: the requests of this window of the clock, and those of the one before, which count
-- by the share of it that still lies in the sliding window, as if they had come evenly. Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the state of each limit: when its window ends, the count in
--       it, and the count in the one before
-- ARGV, and what it returns: as in fixed_window.lua

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local answer, admitted = {}, true
local ends, count, before = {}, {}, {}
for i = 2, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local state = redis.call("HMGET", KEYS[i], "ends", "count", "before")
  ends[i], count[i], before[i] = tonumber(state[1]), tonumber(state[2]), tonumber(state[3])
  -- Where the clock was set back, a window that lies a little ahead goes on. One far ahead would lock the user out.
  if not ends[i] or ends[i] + window <= now or ends[i] > now + 2 * window then
    ends[i], count[i], before[i] = now - now % window + window, 0, 0
  elseif ends[i] <= now then
    ends[i], count[i], before[i] = ends[i] + window, 0, count[i]
  end

  -- In parts, of which a request has as many as the window has microseconds: whole numbers keep the wait exact.
  local still_in = math.min(ends[i] - now, window)  -- so many microseconds of the window before
  local left = math.floor(((limit - count[i]) * window - before[i] * still_in) / window)
  local wait = 0
  if left < 1 and count[i] < limit then  -- until few enough of the window before are in
    wait = ends[i] - now - math.floor((limit - count[i] - 1) * window / before[i])
  elseif left < 1 then  -- into the next window, until few enough of this one are in
    wait = ends[i] + window - now - math.floor((limit - 1) * window / count[i])
  end
  local reset = count[i] > 0 and ends[i] + window - now or before[i] > 0 and ends[i] - now or 0
  answer[#answer + 1] = math.max(left, 0)
  answer[#answer + 1] = reset
  answer[#answer + 1] = wait
  admitted = admitted and left > 0
end

if admitted and ARGV[2] ~= "" then
  local first_of_window, last_end = false, 0
  for i = 2, #KEYS do
    local window = tonumber(ARGV[2 * i])
    redis.call("HSET", KEYS[i], "ends", ends[i], "count", count[i] + 1, "before", before[i])
    if count[i] == 0 then
      redis.call("PEXPIRE", KEYS[i], math.ceil((ends[i] + window - now) / 1000))
      first_of_window = true
    end
    last_end = math.max(last_end, ends[i] + window)
    answer[3 * i - 5] = answer[3 * i - 5] - 1
    answer[3 * i - 4] = ends[i] + window - now
  end
  if first_of_window then  -- as in fixed_window.lua
    redis.call("ZADD", KEYS[1], last_end, ARGV[2])
    redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
    local longest = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
    redis.call("PEXPIRE", KEYS[1], math.ceil((longest - now) / 1000))
  end
end
return answer
