-- Sliding log: the moment of each admitted request is kept for as long as the window is, so no window, wherever it
-- begins, holds more than the limit. Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the log of each limit, the oldest moment first
-- ARGV, and what it returns: as in fixed_window.lua

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local answer, admitted = {}, true
local newest = {}
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
  newest[i] = oldest and tonumber(redis.call("LINDEX", KEYS[i], -1))
  local left = oldest and limit - redis.call("LLEN", KEYS[i]) or limit
  answer[#answer + 1] = left
  answer[#answer + 1] = oldest and newest[i] + window - now or 0
  answer[#answer + 1] = left > 0 and 0 or oldest + window - now
  admitted = admitted and left > 0
end

if admitted and ARGV[2] ~= "" then
  local first_of_window, last_end = false, 0
  for i = 2, #KEYS do
    local window = tonumber(ARGV[2 * i])
    local moment = math.max(now, newest[i] or now)
    redis.call("RPUSH", KEYS[i], moment)
    redis.call("PEXPIRE", KEYS[i], math.ceil((moment + window - now) / 1000))
    if not newest[i] or newest[i] < moment - moment % window then
      first_of_window = true
    end
    last_end = math.max(last_end, moment + 2 * window)
    answer[3 * i - 5] = answer[3 * i - 5] - 1
    answer[3 * i - 4] = moment + window - now
  end
  if first_of_window then  -- noted until it is noted again, as in fixed_window.lua
    redis.call("ZADD", KEYS[1], last_end, ARGV[2])
    redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
    local longest = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
    redis.call("PEXPIRE", KEYS[1], math.ceil((longest - now) / 1000))
  end
end
return answer
