-- End a batch of claimed jobs, each only if its claim still holds.
-- KEYS  n job keys · if there are hooks: deliveries due, the delivery of each
-- ARGV  bytes of a job key before its id · ended channel · n
--       · per job: status code, token, ended and readable-until (1 + 16 + 13 + 13), body, ttl (ms), notify channel or ''
--       · if there are hooks: channel that wakes deliveries, its message · per hook: number of its job, codes, URL
-- Returns the numbers (from 1) of the jobs that were fenced.
local call, sub = redis.call, string.sub
local cut, n = tonumber(ARGV[1]) + 1, tonumber(ARGV[3])
local fenced, ended, told = {}, {}, {}
local hooks, due = hooks_of(n + 1, 4 * n + 6), false

for i = 1, n do
  local a = 4 * i
  local key, mark, body, channel = KEYS[i], ARGV[a], ARGV[a + 1], ARGV[a + 3]
  local was = call('GETRANGE', key, 0, 39)
  local mine = sub(was, 4, 19) == sub(mark, 2, 17)
  local value = mine and sub(mark, 1, 1) .. sub(was, 2) .. sub(mark, 18) .. body
  if mine and sub(was, 1, 1) == 'R' then
    call('SET', key, value, 'PX', ARGV[a + 2])
    ended[#ended + 1] = sub(key, cut)
    if channel ~= '' then
      local list = told[channel] or {}
      -- a large value is left to be read, so that a slow reader's buffer in Redis does not overflow
      list[#list + 1] = { key, #value <= 262144 and value }
      told[channel] = list
    end
    if hooks and hooks[i] then
      due = outbox(hooks[i], KEYS[n + 1], sub(key, cut), sub(mark, 1, 1), sub(mark, 18, 30), ARGV[a + 2]) or due
    end
  elseif not (mine and call('GET', key) == value) then -- equal: this very end, sent again
    fenced[#fenced + 1] = i
  end
end

for channel, list in pairs(told) do call('PUBLISH', channel, cmsgpack.pack(list)) end
if #ended > 0 then call('PUBLISH', ARGV[2], table.concat(ended, ' ')) end
if due then call('PUBLISH', ARGV[4 * n + 4], ARGV[4 * n + 5]) end
return fenced
