-- Token bucket: it holds up to `burst` tokens, a request takes one, and `limit` of them come back in each window,
-- evenly. Times are in microseconds.
--
-- KEYS  1 the index of what this user has spent   2, 3 ... the state of each limit: what is in the bucket, and since when
-- ARGV  as in fixed_window.lua, but three numbers for each limit: how many requests, in how long, and the burst
-- Returns what fixed_window.lua returns.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

-- The content is counted in parts: a token has as many as the window has microseconds, so that each microsecond brings
-- back `limit` of them, and whole numbers keep the wait exact.
local answer, admitted = {}, true
local parts, at, noted = {}, {}, {}
for i = 2, #KEYS do
  local limit, window, burst = tonumber(ARGV[3 * i - 3]), tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local state = redis.call("HMGET", KEYS[i], "parts", "at")
  parts[i], at[i] = tonumber(state[1]), tonumber(state[2])
  noted[i] = at[i]
  -- Where the clock was set back, a moment that lies a little ahead is waited for. Far ahead it would lock the user out.
  if not at[i] or at[i] > now + window then
    parts[i], at[i] = burst * window, now
    noted[i] = nil
  elseif at[i] < now then
    parts[i], at[i] = math.min(burst * window, parts[i] + (now - at[i]) * limit), now
  end
  local left = math.floor(parts[i] / window)
  answer[#answer + 1] = left
  answer[#answer + 1] = parts[i] < burst * window and at[i] - now + math.ceil((burst * window - parts[i]) / limit) or 0
  answer[#answer + 1] = left > 0 and 0 or at[i] - now + math.ceil((window - parts[i]) / limit)
  admitted = admitted and left > 0
end

if admitted and ARGV[2] ~= "" then
  local first_of_window, last_end = false, 0
  for i = 2, #KEYS do
    local limit, window, burst = tonumber(ARGV[3 * i - 3]), tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
    local full = at[i] + math.ceil((burst * window - parts[i] + window) / limit)
    redis.call("HSET", KEYS[i], "parts", parts[i] - window, "at", at[i])
    redis.call("PEXPIRE", KEYS[i], math.ceil((full - now) / 1000))
    if not noted[i] or noted[i] < at[i] - at[i] % window then
      first_of_window = true
    end
    last_end = math.max(last_end, at[i] + window + math.ceil(burst * window / limit))
    answer[3 * i - 5] = answer[3 * i - 5] - 1
    answer[3 * i - 4] = full - now
  end
  if first_of_window then  -- noted until it is noted again, as in fixed_window.lua
    redis.call("ZADD", KEYS[1], last_end, ARGV[2])
    redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
    local longest = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")[2]
    redis.call("PEXPIRE", KEYS[1], math.ceil((longest - now) / 1000))
  end
end
return answer
