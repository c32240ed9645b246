-- Sliding log: the moment of each admitted request is kept for as long as the window is, so that no window, wherever it
-- begins, holds more than the limit. Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the log of each limit, the oldest moment first
-- ARGV, and what it returns: as in fixed_window.lua

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local answer, admitted, newest = {}, true, {}
for i = 2, #KEYS do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local oldest = tonumber(redis.call("LINDEX", KEYS[i], 0))
  while oldest and oldest <= now - window do
    redis.call("LPOP", KEYS[i])
    oldest = tonumber(redis.call("LINDEX", KEYS[i], 0))
  end
  -- Where the clock was set back, moments that lie a little ahead count. Far ahead they would lock the user out.
  if oldest and oldest > now + window then
    redis.call("DEL", KEYS[i])
    oldest = nil
  end
  local place = 3 * i - 5
  answer[place], answer[place + 1], answer[place + 2] = limit, 0, 0
  if oldest then
    newest[i] = tonumber(redis.call("LINDEX", KEYS[i], -1))
    answer[place] = limit - redis.call("LLEN", KEYS[i])
    answer[place + 1] = newest[i] + window - now
    if answer[place] < 1 then
      answer[place + 2] = oldest + window - now
      admitted = false
    end
  end
end
if not admitted or ARGV[2] == "" then
  return answer
end

local longest = 0  -- of the windows of the clock that this request is the first in
for i = 2, #KEYS do
  local window, place = tonumber(ARGV[2 * i]), 3 * i - 5
  local moment = math.max(now, newest[i] or 0)
  redis.call("RPUSH", KEYS[i], moment)
  redis.call("PEXPIRE", KEYS[i], math.ceil((moment + window - now) / 1000) + 1)
  answer[place], answer[place + 1] = answer[place] - 1, moment + window - now
  if not newest[i] or newest[i] < moment - moment % window then
    longest = math.max(longest, 2 * window)  -- until the next such request, and the life of those before it
  end
end
if longest > 0 then  -- the index, as in fixed_window.lua
  redis.call("ZADD", KEYS[1], "GT", now + longest, ARGV[2])
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
  local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
  redis.call("PEXPIRE", KEYS[1], math.ceil((last - now) / 1000))
end
return answer
