-- Give claimed jobs back as queued, uncharged, each only if its claim still holds.
-- KEYS  job keys
-- ARGV  their tokens
-- Returns the numbers (from 1) of the jobs that were fenced.
local fenced = {}
for i = 1, #KEYS do
  local was = redis.call('GETRANGE', KEYS[i], 0, 18)
  local status, mine = string.sub(was, 1, 1), string.sub(was, 4) == ARGV[i]
  if mine and status == 'R' then
    redis.call('SETRANGE', KEYS[i], 0, 'Q' .. (tonumber(string.sub(was, 2, 2)) - 1))
  elseif not (mine and status == 'Q') then -- Q: this very release, sent again
    fenced[#fenced + 1] = i
  end
end
return fenced
