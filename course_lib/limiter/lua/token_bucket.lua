-- Token bucket: it holds up to `burst` tokens, a request takes one, and `limit` of them come back in each window, evenly.
-- Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the state of each limit: what is in the bucket, and since when
-- ARGV  as in fixed_window.lua, but of each limit three numbers: how many requests, in how long, and the burst
-- Returns what fixed_window.lua does.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

-- Tokens are counted in parts. A token has as many as the window has microseconds, so that a microsecond brings `limit`
-- of them: whole numbers keep the wait exact.
local answer, admitted = {}, true
local parts, since, last = {}, {}, {}
for i = 2, #KEYS do
  local place = 3 * i - 5
  local limit, window, burst = tonumber(ARGV[place + 2]), tonumber(ARGV[place + 3]), tonumber(ARGV[place + 4])
  local full, state = burst * window, redis.call("HMGET", KEYS[i], "parts", "since")
  local content, moment = tonumber(state[1]), tonumber(state[2])
  last[i] = moment
  -- Where the clock was set back, a moment that lies a little ahead is waited for. Far ahead it would lock the user out.
  if not moment or moment > now + window then
    content, moment, last[i] = full, now, nil
  elseif moment < now then
    content, moment = math.min(full, content + (now - moment) * limit), now
  end
  parts[i], since[i] = content, moment
  answer[place] = math.floor(content / window)
  answer[place + 1] = content < full and moment - now + math.ceil((full - content) / limit) or 0
  answer[place + 2] = 0
  if content < window then
    answer[place + 2] = moment - now + math.ceil((window - content) / limit)
    admitted = false
  end
end
if not admitted or ARGV[2] == "" then
  return answer
end

local longest = 0  -- of the times in which a bucket fills whose first request in a window of the clock this is
for i = 2, #KEYS do
  local place = 3 * i - 5
  local limit, window, burst = tonumber(ARGV[place + 2]), tonumber(ARGV[place + 3]), tonumber(ARGV[place + 4])
  local content = parts[i] - window
  local fills_in = since[i] - now + math.ceil((burst * window - content) / limit)
  redis.call("HSET", KEYS[i], "parts", content, "since", since[i])
  redis.call("PEXPIRE", KEYS[i], math.ceil(fills_in / 1000) + 1)
  answer[place], answer[place + 1] = answer[place] - 1, fills_in
  if not last[i] or last[i] < now - now % window then
    longest = math.max(longest, window + math.ceil(burst * window / limit))
  end
end
if longest > 0 then  -- the index, as in fixed_window.lua
  redis.call("ZADD", KEYS[1], "GT", now + longest, ARGV[2])
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
  local last_end = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
  redis.call("PEXPIRE", KEYS[1], math.ceil((last_end - now) / 1000))
end
return answer
