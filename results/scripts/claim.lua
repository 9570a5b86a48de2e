-- Start a batch of jobs.
-- KEYS  index · n job keys · r listings of Kafka records · if there are hooks: deliveries due, the delivery of each
-- ARGV  now · keep (ms) · bytes of a job key before its id · ended channel · n · r
--       · ttl (ms) of a record · `number:ttl:late`, parted by spaces, of jobs that need another, or are past their deadline
--       · per job: value as of a first start · per listing: what is added to it, ttl (ms)
--       · if there are hooks: channel that wakes deliveries, its message · per hook: number of its job, codes, URL
-- Returns, for every job that is not simply started for the first time: its number (from 1), word, head.
--       Words: run, done, canceled, expired, exhausted.
local call, sub = redis.call, string.sub
local now, keep, cut, n, r = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) + 1, tonumber(ARGV[5]), tonumber(ARGV[6])
local odd, scores, ended, left = {}, {}, {}, {}
local fresh = false -- whether any of them was never claimed before, and so is not listed
local at = n + 9 + 2 * r
local hooks, due = hooks_of(n + r + 2, at + 2), false
local ttl, ttls, late = ARGV[7], {}, {}
if ARGV[8] ~= '' then
  for i, life, past in string.gmatch(ARGV[8], '(%d+):(%d+):(%d)') do
    ttls[tonumber(i)], late[tonumber(i)] = life, past == '1'
  end
end

local function tell(i, word, head)
  local m = #odd
  odd[m + 1], odd[m + 2], odd[m + 3] = i, word, head
end

-- The webhook of a job that is found or made ended: a job canceled before anybody read it has had none yet.
local function push(i, key, code)
  if hooks and hooks[i] then
    local life = math.max(keep, tonumber(ttls[i] or ttl))
    if outbox(hooks[i], KEYS[n + r + 2], sub(key, cut), code, now, life) then
      due = true
      call('PEXPIRE', key, life, 'GT')
    end
  end
end

-- The end that a claim itself writes: the head of `was` with another status, the rest of `value`.
local function close(i, key, was, value, code, word)
  local head = code .. sub(was, 2, 40) .. ARGV[1] .. string.format('%013d', now + keep)
  call('SET', key, head .. sub(value, 67), 'PX', math.max(keep, tonumber(ttls[i] or ttl)))
  ended[#ended + 1] = sub(key, cut)
  tell(i, word, head)
  push(i, key, code)
end

for i = 1, n do
  local key, value = KEYS[i + 1], ARGV[i + 8]
  local was = call('SET', key, value, 'PX', ttls[i] or ttl, 'NX', 'GET')
  if not was then
    local m = #scores
    scores[m + 1], scores[m + 2] = sub(value, 28, 40), sub(key, cut)
    if late[i] then
      close(i, key, 'X0' .. sub(value, 3), value, 'X', 'expired')
    end
  else
    local status, starts = sub(was, 1, 1), tonumber(sub(was, 2, 2))
    fresh = fresh or sub(was, 4, 19) == '0000000000000000'
    if status == 'Q' then left[#left + 1] = sub(key, cut) end
    if status ~= 'R' and status ~= 'Q' then
      tell(i, 'done', sub(was, 1, 66))
      push(i, key, status)
    elseif status == 'R' and sub(was, 4, 19) == sub(value, 4, 19) then
      tell(i, 'run', sub(was, 1, 66)) -- this very claim, sent again
    elseif sub(was, 3, 3) == '1' then
      close(i, key, was, value, 'C', 'canceled')
    elseif late[i] then
      close(i, key, was, value, 'X', 'expired')
    elseif starts >= 3 then
      close(i, key, was, value, 'F', 'exhausted')
    else
      local version = sub(was, 20, 27)
      if version == '00000000' then version = sub(value, 20, 27) end
      local head = 'R' .. (starts + 1) .. '0' .. sub(value, 4, 19) .. version .. sub(was, 28, 66)
      call('SET', key, head .. sub(value, 67), 'PX', ttls[i] or ttl)
      if starts > 0 or version ~= sub(value, 20, 27) then tell(i, 'run', head) end
    end
  end
end

if #scores > 0 then
  call('ZADD', KEYS[1], unpack(scores))
  fresh = true
end
if #left > 0 then -- they were noted or given back; the sets that say so are of the index's hash tag
  local tag = sub(KEYS[1], 1, -7)
  call('ZREM', tag .. ':queue', unpack(left))
  call('ZREM', tag .. ':deadlines', unpack(left))
  call('HDEL', tag .. ':hooks', unpack(left))
end
if #ended > 0 then call('PUBLISH', ARGV[4], table.concat(ended, ' ')) end
if due then call('PUBLISH', ARGV[at], ARGV[at + 1]) end
for i = 1, fresh and r or 0 do
  local key, text, life = KEYS[n + 1 + i], ARGV[n + 7 + 2 * i], ARGV[n + 8 + 2 * i]
  if call('APPEND', key, text) == #text then call('PEXPIRE', key, life) else call('PEXPIRE', key, life, 'GT') end
end
return odd
