-- Folds dead workers into the past, once, and writes new names there. Does nothing if a worker has
-- written the past since the caller read it, if a dead worker has reported since, or if Redis has
-- lost data.
--
-- KEYS  1 the past   2 the workers, by the time of their last report
--       3 the prefix of the workers' hashes   4 the prefix of the folded reports' numbers
-- ARGV  1 how often the past was written, as the caller read it  2 the new total of the past
--       3 the TTL of the keys, in milliseconds   4 the generation that the caller read
--       5 ... a worker, the number of its last report (empty if unreadable), ...
-- Returns 1 if the past was written, else 0.

local past = redis.call("HMGET", KEYS[1], "folds", "generation")
if (past[1] or "0") ~= ARGV[1] or (past[2] or "") ~= ARGV[4] then
  return 0
end
for index = 5, #ARGV, 2 do
  local worker, number = ARGV[index], ARGV[index + 1]
  local found = redis.pcall("HGET", KEYS[3] .. worker, "number")
  if type(found) == "table" then
    found = false  -- a key of another type
  end
  if (found or "") ~= number then
    return 0
  end
end
redis.call("HSET", KEYS[1], "total", ARGV[2], "folds", (tonumber(ARGV[1]) or 0) + 1)
redis.call("PEXPIRE", KEYS[1], ARGV[3])
for index = 5, #ARGV, 2 do
  local worker, number = ARGV[index], ARGV[index + 1]
  redis.call("SET", KEYS[4] .. worker, number, "PX", ARGV[3])
  redis.call("UNLINK", KEYS[3] .. worker)
  redis.call("ZREM", KEYS[2], worker)
end
return 1
