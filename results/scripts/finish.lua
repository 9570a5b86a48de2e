-- End a batch of claimed jobs, each only if its claim still holds.
-- KEYS  n job keys · if there are hooks: deliveries due, the delivery of each
-- ARGV  bytes of a job key before its id · ended channel · n · their ids, parted by spaces
--       · ttl (ms) of a record · `number:ttl`, parted by spaces, of jobs that need another
--       · per job: status code, token, ended and readable-until (1 + 16 + 13 + 13), then the body; notify channel or ''
--       · if there are hooks: channel that wakes deliveries, its message · per hook: number of its job, codes, URL
-- Returns the numbers (from 1) of the jobs that were fenced.
local call, sub = redis.call, string.sub
local cut, n = tonumber(ARGV[1]) + 1, tonumber(ARGV[3])
local fenced, told = {}, {}
local hooks, due = hooks_of(n + 1, 2 * n + 9), false
local ttl, ttls = ARGV[5], {}
if ARGV[6] ~= '' then
  for i, life in string.gmatch(ARGV[6], '(%d+):(%d+)') do ttls[tonumber(i)] = life end
end

local found = call('MGET', unpack(KEYS, 1, n))

for i = 1, n do
  local key, mark, channel = KEYS[i], ARGV[2 * i + 5], ARGV[2 * i + 6]
  local was = found[i] or ''
  local mine = sub(was, 4, 19) == sub(mark, 2, 17)
  local value = mine and sub(mark, 1, 1) .. sub(was, 2, 40) .. sub(mark, 18)
  if mine and sub(was, 1, 1) == 'R' then
    call('SET', key, value, 'PX', ttls[i] or ttl)
    if channel ~= '' then
      local list = told[channel] or {}
      -- a large value is left to be read, so that a slow reader's buffer in Redis does not overflow
      list[#list + 1] = { key, #value <= 262144 and value }
      told[channel] = list
    end
    if hooks and hooks[i] then
      local life = ttls[i] or ttl
      due = outbox(hooks[i], KEYS[n + 1], sub(key, cut), sub(mark, 1, 1), sub(mark, 18, 30), life) or due
    end
  elseif not (mine and was == value) then -- equal: this very end, sent again
    fenced[#fenced + 1] = i
  end
end

for channel, list in pairs(told) do call('PUBLISH', channel, cmsgpack.pack(list)) end
if #fenced < n then call('PUBLISH', ARGV[2], ARGV[4]) end
if due then call('PUBLISH', ARGV[2 * n + 7], ARGV[2 * n + 8]) end
return fenced
