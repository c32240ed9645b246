-- Make the script that follows delete what can't be the state of a limit: a key of another type,
-- or a counter that isn't a number. Joined in front of clock.lua, to decide again after an error.
-- If the error was in the index, the request has been counted already, and is counted twice.
--
-- KEYS  1 the index

local server = redis
if server.call("TYPE", KEYS[1]).ok ~= "zset" then
  server.call("DEL", KEYS[1])
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
