-- Make the script that follows delete what can't be the state of a limit: a key of another type,
-- or a counter that isn't a number. Joined between clock.lua and index.lua, to decide again after
-- an error.
--
-- KEYS  1 the index   2, 3 ... the state of each limit
-- ARGV  4, 7 ... for each limit: its window

local server = redis
if server.call("TYPE", KEYS[1]).ok ~= "zset" then
  server.call("DEL", KEYS[1])
  -- The request may have been counted before the error, and nothing lists these keys any more.
  for i = 2, #KEYS do
    local number = math.floor(now / ARGV[3 * i - 2]) + 1  -- of the current window
    server.call("DEL", KEYS[i], KEYS[i] .. number, KEYS[i] .. number - 1)
  end
end
local redis = {
  call = function(...)
    local reply = server.pcall(...)
    local failed = type(reply) == "table" and reply.err
    if not failed then
      return reply
    end
    local _, key = ...
    for _, foreign in ipairs({"WRONGTYPE", "not an integer", "invalid expire"}) do
      if string.find(failed, foreign) then
        server.call("DEL", key)
        return server.pcall(...)  -- fails again if an argument was read from what was deleted
      end
    end
    return server.call(...)
  end,
}
