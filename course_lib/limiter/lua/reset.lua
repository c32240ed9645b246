-- Delete the state of all limits of a user. Joined after clock.lua.
--
-- KEYS  1 the index of what this user has spent: members "<limits> <endpoint>"
-- ARGV  1 the time (clock.lua)
-- A counter's key ends with the number of its window: the current one, or the previous one.

for _, member in ipairs(redis.call("ZRANGE", KEYS[1], 0, -1)) do
  local names, endpoint = string.match(member, "^(%S+) (.*)$")
  for name in string.gmatch(names or "", "[^;]+") do
    local key = KEYS[1] .. ":" .. name .. ":" .. endpoint .. ":"
    redis.call("DEL", key)
    local window = tonumber(string.match(name, "^%d+/(%d+)"))
    if window then
      local number = math.floor(now / window) + 1
      redis.call("DEL", key .. number, key .. number - 1)
    end
  end
end
redis.call("DEL", KEYS[1])
