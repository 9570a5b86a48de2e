-- Give claimed jobs back as queued, to be tried again later, each only if its claim still holds.
-- KEYS  deadlines · hooks · job keys
-- ARGV  bytes of a job key before its id
--       · per job: token, 1 if its start stays charged, 1 if its version is chosen anew, body, when it expires (Unix ms),
--         ttl (ms), hook (ending.lua) or ''
-- Returns the numbers (from 1) of the jobs that were fenced.
local call, sub = redis.call, string.sub
local cut, fenced = tonumber(ARGV[1]) + 1, {}
for i = 1, #KEYS - 2 do
  local a = 7 * i - 5
  local key, token, body = KEYS[i + 2], ARGV[a], ARGV[a + 3]
  local was = call('GETRANGE', key, 0, 65)
  local mine = sub(was, 4, 19) == token
  if mine and sub(was, 1, 1) == 'R' then
    local starts = tonumber(sub(was, 2, 2)) - 1 + tonumber(ARGV[a + 1])
    local version = ARGV[a + 2] == '1' and '00000000' or sub(was, 20, 27)
    call('SET', key, 'Q' .. starts .. sub(was, 3, 19) .. version .. sub(was, 28, 66) .. body, 'KEEPTTL')
    wait_queued(key, sub(key, cut), ARGV[a + 4], ARGV[a + 5], ARGV[a + 6])
  elseif not (mine and sub(was, 1, 1) == 'Q') then -- Q: this very call, sent again
    fenced[#fenced + 1] = i
  end
end
return fenced
