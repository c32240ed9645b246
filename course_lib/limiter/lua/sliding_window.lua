-- Sliding window by two counters: the requests in the current window of the clock, and those in
-- the previous one, weighted by the share of it that the sliding window still covers, as if they
-- had come evenly. Joined between index.lua and decide.lua, which list KEYS, ARGV and what is
-- returned.
--
-- KEYS  2, 3 ... what the keys of each limit's counters begin with
-- Times are in microseconds.

local function check(limit)
  local requests, window, cost = limit.requests, limit.window, limit.cost
  local ends_in = window - now % window
  local number = (now + ends_in) / window
  limit.counter = limit.key .. number
  local counts = redis.call("MGET", limit.counter, limit.key .. number - 1)
  local count, previous = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
  local is_counter = count >= 0 and count <= requests
  if not (is_counter and previous >= 0 and previous <= requests) then  -- another program wrote one
    redis.call("DEL", limit.counter, limit.key .. number - 1)
    count, previous = 0, 0
  end
  -- The sliding window still covers the last `ends_in` of the previous window.
  local left = requests - count - math.ceil(previous * ends_in / window)
  limit.remaining = math.max(left, 0)
  limit.reset_after = count > 0 and ends_in + window or previous > 0 and ends_in or 0
  if limit.remaining >= cost then
    limit.retry_after = 0
  elseif count + cost <= requests then  -- until enough of the previous window has slid out
    limit.retry_after = ends_in - math.floor((requests - count - cost) * window / previous)
  else  -- into the next window, until enough of this one has slid out
    limit.retry_after = ends_in + window - math.floor((requests - cost) * window / count)
  end
end

local function spend(limit)
  if redis.call("INCRBY", limit.counter, limit.cost) > limit.cost then
    return 0
  end
  limit.reset_after = 2 * limit.window - now % limit.window
  redis.call("PEXPIRE", limit.counter, math.ceil(limit.reset_after / 1000) + 1)
  return limit.reset_after
end
