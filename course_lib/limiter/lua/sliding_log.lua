-- Sliding log: the timestamp of each admitted request, for as long as the window is. So no window,
-- wherever it begins, holds more than the limit. Joined between index.lua and decide.lua, which
-- list KEYS, ARGV and what is returned.
--
-- KEYS  2, 3 ... the log of each limit: a list, the oldest timestamp first
-- Times are in microseconds.

local function check(limit)
  local log, starts = limit.key, now - limit.window
  local oldest = tonumber(redis.call("LINDEX", log, 0))
  while oldest and oldest <= starts do
    redis.call("LPOP", log)
    oldest = tonumber(redis.call("LINDEX", log, 0))
  end
  -- If the clock was set back, timestamps a little ahead still count. Timestamps far ahead would
  -- lock the user out.
  if oldest and oldest > now + limit.window then
    redis.call("DEL", log)
    oldest = nil
  end
  limit.remaining, limit.reset_after, limit.retry_after = limit.requests, 0, 0
  if oldest then
    limit.newest = tonumber(redis.call("LINDEX", log, -1))
    limit.remaining = limit.requests - redis.call("LLEN", log)
    limit.reset_after = limit.newest - starts
    limit.retry_after = limit.remaining < 1 and oldest - starts or 0
  end
end

local function spend(limit)
  local newest, window = limit.newest, limit.window
  local timestamp = math.max(now, newest or 0)
  limit.reset_after = timestamp + window - now
  redis.call("RPUSH", limit.key, timestamp)
  redis.call("PEXPIRE", limit.key, math.ceil(limit.reset_after / 1000) + 1)
  if newest and newest >= timestamp - timestamp % window then
    return 0  -- not the first request in a window of the clock
  end
  return 2 * window  -- enough for any later request in this window of the clock, too
end
