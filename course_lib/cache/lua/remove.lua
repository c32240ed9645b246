-- Removes an entry.
--
-- KEYS  1 the entry   2 the mark
-- Returns what it held, "" if that's nothing.

local mark, held = unpack(redis.call("MGET", KEYS[2], KEYS[1]))
redis.call("UNLINK", KEYS[1])
mark = mark or ""
if held and string.sub(held, 1, #mark) == mark then
  return string.sub(held, #mark + 1)
end
return ""
