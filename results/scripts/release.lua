-- Give claimed jobs back as queued, uncharged, each only if its claim still holds.
-- KEYS  deadlines · hooks · job keys
-- ARGV  bytes of a job key before its id · per job: token, when it expires (Unix ms), ttl (ms), hook (ending.lua) or ''
-- Returns the numbers (from 1) of the jobs that were fenced.
local cut, fenced = tonumber(ARGV[1]) + 1, {}
for i = 1, #KEYS - 2 do
  local a, key = 4 * i - 2, KEYS[i + 2]
  local was = redis.call('GETRANGE', key, 0, 18)
  local status, mine = string.sub(was, 1, 1), string.sub(was, 4) == ARGV[a]
  if mine and status == 'R' then
    redis.call('SETRANGE', key, 0, 'Q' .. (tonumber(string.sub(was, 2, 2)) - 1))
    wait_queued(key, string.sub(key, cut), ARGV[a + 1], ARGV[a + 2], ARGV[a + 3])
  elseif not (mine and status == 'Q') then -- Q: this very release, sent again
    fenced[#fenced + 1] = i
  end
end
return fenced
