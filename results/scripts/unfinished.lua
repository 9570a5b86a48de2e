-- Which of some jobs have not ended: read by no worker yet, queued, or running.
-- KEYS  job keys
-- Returns their numbers (from 1).
local found = {}
for i = 1, #KEYS do
  local status = redis.call('GETRANGE', KEYS[i], 0, 0)
  if status == '' or status == 'Q' or status == 'R' then found[#found + 1] = i end
end
return found
