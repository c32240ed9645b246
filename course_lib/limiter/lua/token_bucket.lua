-- Token bucket: it holds up to `burst` tokens, a request takes one, and `requests` of them come
-- back in each window, evenly. Joined between index.lua and decide.lua, which list KEYS, ARGV and
-- what is returned.
--
-- KEYS  2, 3 ... the bucket of each limit: a hash of its parts and the time when it had them
-- Times are in microseconds. Tokens are counted in parts: a token has as many as the window has
-- microseconds, so each microsecond adds `requests` parts. Whole numbers keep the wait exact. With
-- more than 2^53 parts, such as a million requests a month, it may be a microsecond off.

local function check(limit)
  local requests, window = limit.requests, limit.window
  local full, state = limit.burst * window, redis.call("HMGET", limit.key, "parts", "since")
  local parts, since = tonumber(state[1]), tonumber(state[2])
  limit.last_request = since
  -- If the clock was set back, the bucket waits for a time a little ahead. Far ahead, it would lock
  -- the user out, as would a number of parts that makes no sense.
  if not (since and since <= now + window and parts and parts >= 0) then
    parts, since, limit.last_request = full, now, nil
  elseif since < now then
    parts, since = math.min(full, parts + (now - since) * requests), now
  end
  limit.full, limit.parts, limit.since = full, parts, since
  -- By what is missing: that's exact for a full bucket, however many parts it has.
  limit.remaining = limit.burst - math.ceil((full - parts) / window)
  limit.reset_after = parts < full and since - now + math.ceil((full - parts) / requests) or 0
  limit.retry_after = since - now + math.ceil((limit.cost * window - parts) / requests)
end

local function spend(limit)
  local requests, window = limit.requests, limit.window
  local parts = math.max(limit.parts - limit.cost * window, 0)
  limit.reset_after = limit.since - now + math.ceil((limit.full - parts) / requests)
  redis.call("HSET", limit.key, "parts", parts, "since", limit.since)
  redis.call("PEXPIRE", limit.key, math.ceil(limit.reset_after / 1000) + 1)
  local last = limit.last_request
  if last and last >= now - now % window then
    return 0  -- not the first request in a window of the clock
  end
  -- Enough for any later request in this window of the clock, too, and the time to fill up.
  return window + math.ceil(limit.full / requests)
end
