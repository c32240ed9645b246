-- Make the script that follows delete what can't be the state of a limit: a key of another type,
-- or a counter that isn't a number. Joined in front of clock.lua, to decide again after an error.

local server = redis
local redis = {
  call = function(command, key, ...)
    local reply = server.pcall(command, key, ...)
    local failed = type(reply) == "table" and reply.err or ""
    if string.find(failed, "WRONGTYPE") or string.find(failed, "not an integer") then
      server.call("DEL", key)
    end
    return failed == "" and reply or server.call(command, key, ...)
  end,
}
