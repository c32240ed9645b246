-- Runs every command that the cache, the limiter and the monitor use, and removes what it wrote.
-- The order makes sure that the key has the right type for each.
--
-- KEYS  1 a key that nothing else uses
-- Returns the names of the commands that this user can't run.

local key = KEYS[1]
local commands = {
  {"TIME"},
  {"SET", key, "1", "PX", "1000"},
  {"GET", key},
  {"MGET", key},
  {"EXISTS", key},
  {"TYPE", key},
  {"INCRBY", key, "1"},
  {"PEXPIRE", key, "1000"},
  {"PEXPIREAT", key, "9999999999999"},
  {"PTTL", key},
  {"ZADD", key, "GT", "1", "member"},
  {"ZCARD", key},
  {"ZSCORE", key, "member"},
  {"ZRANGE", key, "0", "-1"},
  {"ZRANGEBYSCORE", key, "-inf", "0"},
  {"ZREM", key, "other"},
  {"ZREMRANGEBYSCORE", key, "-inf", "0"},
  {"ZREMRANGEBYRANK", key, "0", "-2"},
  {"ZPOPMIN", key},
  {"RPUSH", key, "1"},
  {"LLEN", key},
  {"LINDEX", key, "0"},
  {"LPOP", key},
  {"HSET", key, "field", "1"},
  {"HGET", key, "field"},
  {"HMGET", key, "field"},
  {"UNLINK", key},
  {"DEL", key},
}
-- What Redis says of a command that it can't run for this user: before 7.2, since then, and if it
-- was renamed.
local refusals = {"can't run this command", "no permissions to run", "Unknown"}

local function is_refusal(message)
  for _, refusal in ipairs(refusals) do
    if string.find(message, refusal, 1, true) then
      return true
    end
  end
end

local forbidden = {}
for _, command in ipairs(commands) do
  local reply = redis.pcall(unpack(command))
  local message = type(reply) == "table" and reply.err or ""
  if is_refusal(message) then
    forbidden[#forbidden + 1] = command[1]
  elseif message ~= "" and not string.find(message, "WRONGTYPE", 1, true) then
    return redis.error_reply(message)
  end
end
return forbidden
