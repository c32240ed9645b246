-- Sliding log: the timestamp of each admitted request, for as long as the window is. So no window,
-- wherever it begins, holds more than the limit. Joined between index.lua and decide.lua, which
-- list KEYS, ARGV and what is returned.
--
-- KEYS  2, 3 ... the log of each limit: a list, the oldest timestamp first
-- Times are in microseconds.

local function check(limit)
  local log, starts = limit.key, now - limit.window
  local first = redis.call("LINDEX", log, 0)
  local oldest = tonumber(first)
  while oldest and oldest <= starts do
    redis.call("LPOP", log)
    oldest = tonumber(redis.call("LINDEX", log, 0))
  end
  local newest = oldest and tonumber(redis.call("LINDEX", log, -1))
  -- If the clock was set back, timestamps a little ahead still count. Timestamps far ahead would
  -- lock the user out, and what isn't a timestamp would never leave the log.
  local is_log = oldest and newest and oldest <= now + limit.window and oldest <= newest
  if first and not is_log then
    redis.call("DEL", log)
    oldest = nil
  end
  limit.remaining, limit.reset_after, limit.retry_after = limit.requests, 0, 0
  if oldest then
    limit.newest = newest
    limit.remaining = limit.requests - redis.call("LLEN", log)
    limit.reset_after = newest - starts
    if limit.remaining < limit.cost then
      local last_to_leave = redis.call("LINDEX", log, limit.cost - limit.remaining - 1)
      limit.retry_after = tonumber(last_to_leave) - starts
      limit.remaining = math.max(limit.remaining, 0)
    end
  end
end

local function spend(limit)
  local newest, window = limit.newest, limit.window
  local timestamp = math.max(now, newest or 0)
  limit.reset_after = timestamp + window - now
  for _ = 1, limit.cost do
    redis.call("RPUSH", limit.key, timestamp)
  end
  redis.call("PEXPIRE", limit.key, math.ceil(limit.reset_after / 1000) + 1)
  if newest and newest >= timestamp - timestamp % window then
    return 0  -- not the first request in a window of the clock
  end
  return 2 * window  -- enough for any later request in this window of the clock, too
end
