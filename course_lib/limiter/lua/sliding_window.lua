-- Sliding window by two counters: the requests of this window of the clock, and those of the one before, which count
-- by the share of it that still lies in the sliding window, as if they had come evenly. Times are in microseconds.
--
-- KEYS, ARGV and what it returns: as in fixed_window.lua

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local answer, admitted, counters = {}, true, {}
for i = 2, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local rest = window - now % window
  local number = (now + rest) / window
  counters[i] = KEYS[i] .. number  -- each window has a counter of its own
  local counts = redis.call("MGET", counters[i], KEYS[i] .. number - 1)
  local count, before = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
  -- In parts, of which a request has as many as a window has microseconds: whole numbers keep the wait exact.
  local left = math.floor(((limit - count) * window - before * rest) / window)
  local place = 3 * i - 5
  answer[place] = math.max(left, 0)
  answer[place + 1] = count > 0 and rest + window or before > 0 and rest or 0
  answer[place + 2] = 0
  if left < 1 then
    admitted = false
    if count < limit then  -- until few enough of the window before are in
      answer[place + 2] = rest - math.floor((limit - count - 1) * window / before)
    else  -- into the next window, until few enough of this one are in
      answer[place + 2] = rest + window - math.floor((limit - 1) * window / count)
    end
  end
end
if not admitted or ARGV[2] == "" then
  return answer
end

local longest = 0  -- of the lives of counters that this request is the first in
for i = 2, #KEYS do
  local place = 3 * i - 5
  answer[place] = answer[place] - 1
  if redis.call("INCR", counters[i]) == 1 then
    local window = tonumber(ARGV[2 * i])
    local life = 2 * window - now % window
    answer[place + 1] = life
    redis.call("PEXPIRE", counters[i], math.ceil(life / 1000) + 1)
    longest = math.max(longest, life)
  end
end
if longest > 0 then  -- the index, as in fixed_window.lua
  redis.call("ZADD", KEYS[1], "GT", now + longest, ARGV[2])
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
  local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
  redis.call("PEXPIRE", KEYS[1], math.ceil((last - now) / 1000))
end
return answer
