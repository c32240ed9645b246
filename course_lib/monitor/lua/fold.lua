-- Folds dead workers into the past, once: only where nobody has done so, and none of them has reported meanwhile.
--
-- KEYS  1 the past   2 the workers   3 what the names of workers' hashes begin with
--       4 what the names begin with under which it is kept which report was folded in
-- ARGV  1 how often one had been folded in   2 the new total of the past   3 how long it is kept, in milliseconds
--       4 ... a worker, the number of its report, and so on
-- Returns 1 when folded, else 0.

if (redis.call("HGET", KEYS[1], "folds") or "0") ~= ARGV[1] then
  return 0
end
for place = 4, #ARGV, 2 do
  if (redis.call("HGET", KEYS[3] .. ARGV[place], "number") or "0") ~= ARGV[place + 1] then
    return 0
  end
end
redis.call("HSET", KEYS[1], "total", ARGV[2], "folds", ARGV[1] + 1)
redis.call("PEXPIRE", KEYS[1], ARGV[3])
for place = 4, #ARGV, 2 do
  redis.call("SET", KEYS[4] .. ARGV[place], ARGV[place + 1], "PX", ARGV[3])
  redis.call("UNLINK", KEYS[3] .. ARGV[place])
  redis.call("ZREM", KEYS[2], ARGV[place])
end
return 1
