-- Fixed window: a counter for each window of the clock. Windows begin at multiples of their
-- length. Joined between index.lua and decide.lua, which list KEYS, ARGV and what is returned.
--
-- KEYS  2, 3 ... what the keys of each limit's counters begin with
-- Times are in microseconds.

local function check(limit)
  limit.ends_in = limit.window - now % limit.window
  limit.counter = limit.key .. (now + limit.ends_in) / limit.window  -- the number of the window
  local count = tonumber(redis.call("GET", limit.counter)) or 0
  if not (count >= 0 and count <= limit.requests) then  -- another program wrote it
    redis.call("DEL", limit.counter)
    count = 0
  end
  limit.remaining = math.max(limit.requests - count, 0)
  limit.reset_after = count > 0 and limit.ends_in or 0
  limit.retry_after = limit.ends_in
end

local function spend(limit)
  if redis.call("INCRBY", limit.counter, limit.cost) > limit.cost then
    return 0
  end
  limit.reset_after = limit.ends_in
  -- Keys expire by the server's clock, which runs on while a test's clock stands still.
  local margin = ARGV[1] == "" and 1 or 1000
  redis.call("PEXPIRE", limit.counter, math.ceil(limit.ends_in / 1000) + margin)
  return limit.ends_in
end
