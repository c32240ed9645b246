-- Writes a worker's running total, unless it would count twice: if the worker was folded, or if
-- Redis has lost data since its last report. After a loss, a new generation of totals starts at
-- zero, because Prometheus reads a counter that falls to anything else as a burst of requests.
-- Redis loses only its latest data if it's restored from a snapshot, or if a replica takes over.
-- A generation starts with the time at which it began, so it shows if it's older than another.
--
-- KEYS  1 the worker's hash   2 the workers, by the time of their last report
--       3 the number of the worker's folded report   4 the past
-- ARGV  1 the worker's ID   2 the number of this report   3 the total
--       4 the TTL of the keys, in milliseconds   5 the generation of the worker's last report
-- Returns a list: false if the total was written, else the number of the last report that counts
-- elsewhere or is lost; the current generation; 1 if Redis has lost data, else 0.

for index, expected in ipairs({"hash", "zset", "string", "hash"}) do
  local found = redis.call("TYPE", KEYS[index]).ok
  if found ~= "none" and found ~= expected then
    redis.call("UNLINK", KEYS[index])  -- it isn't ours, so ours is lost
  end
end
local folded = redis.call("GET", KEYS[3])
if folded and not (#folded < 16 and string.match(folded, "^%d+$")) then
  redis.call("UNLINK", KEYS[3])  -- the same
  folded = false
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_first = ARGV[2] == "1"
local last_number = ARGV[2] - 1
local generation = redis.call("HGET", KEYS[4], "generation")
if not is_first and generation and generation <= ARGV[5] then  -- a later one is another worker's
  local found_number = tonumber(folded or redis.call("HGET", KEYS[1], "number"))
  local is_old = generation < ARGV[5] or (found_number and found_number < last_number)
  if is_old or not (folded or redis.call("ZSCORE", KEYS[2], ARGV[1])) then
    redis.call("UNLINK", KEYS[4])
    generation, folded = false, false
  end
end
if folded then
  return {folded, "", 0}
end
if is_first and not generation then
  generation = string.format("%.0f-%s", now, ARGV[1])
  redis.call("HSET", KEYS[4], "generation", generation)
elseif not is_first and generation ~= ARGV[5] then
  return {tostring(last_number), "", 1}
end
redis.call("HSET", KEYS[1], "number", ARGV[2], "total", ARGV[3], "generation", generation)
redis.call("ZADD", KEYS[2], now, ARGV[1])
for _, index in ipairs({1, 2, 4}) do
  redis.call("PEXPIRE", KEYS[index], ARGV[4])
end
return {false, generation, 0}
