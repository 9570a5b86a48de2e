-- Give claimed jobs back as queued, to be tried again later, each only if its claim still holds.
-- KEYS  job keys
-- ARGV  per job: token, 1 if its start stays charged, 1 if its version is chosen anew, body
-- Returns the numbers (from 1) of the jobs that were fenced.
local call, sub = redis.call, string.sub
local fenced = {}
for i = 1, #KEYS do
  local a = 4 * i - 3
  local key, token, body = KEYS[i], ARGV[a], ARGV[a + 3]
  local was = call('GETRANGE', key, 0, 65)
  local mine = sub(was, 4, 19) == token
  if mine and sub(was, 1, 1) == 'R' then
    local starts = tonumber(sub(was, 2, 2)) - 1 + tonumber(ARGV[a + 1])
    local version = ARGV[a + 2] == '1' and '00000000' or sub(was, 20, 27)
    call('SET', key, 'Q' .. starts .. sub(was, 3, 19) .. version .. sub(was, 28, 66) .. body, 'KEEPTTL')
  elseif not (mine and sub(was, 1, 1) == 'Q') then -- Q: this very call, sent again
    fenced[#fenced + 1] = i
  end
end
return fenced
