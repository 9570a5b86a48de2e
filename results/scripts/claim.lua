-- Start a batch of jobs that may be known, as those are that were noted, given back, canceled, lost with their worker.
-- KEYS  index · n job keys · if there are hooks: deliveries due, the delivery of each
-- ARGV  now · keep (ms) · bytes of a job key before its id · ended channel · n
--       · per job: value as of a first start, ttl (ms), 1 if its deadline has passed
--       · if there are hooks: channel that wakes deliveries, its message · per hook: number of its job, codes, URL
-- Returns how many were known; then, for every job that is not simply started for the first time: its number (from 1),
--         word, head. Words: run, done, canceled, expired, exhausted.
local call, sub = redis.call, string.sub
local now, keep, cut, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) + 1, tonumber(ARGV[5])
local odd, scores, ended, left = { 0 }, {}, {}, {}
local at = 3 * n + 6
local hooks, due = hooks_of(n + 2, at + 2), false

local function tell(i, word, head)
  local m = #odd
  odd[m + 1], odd[m + 2], odd[m + 3] = i, word, head
end

-- The webhook of a job that is found or made ended: a job canceled before anybody read it has had none yet.
local function push(i, key, code, ttl)
  if hooks and hooks[i] then
    local life = math.max(keep, tonumber(ttl))
    if outbox(hooks[i], KEYS[n + 2], sub(key, cut), code, now, life) then
      due = true
      call('PEXPIRE', key, life, 'GT')
    end
  end
end

-- The end that a claim itself writes: the head of `was` with another status, the rest of `value`.
local function close(i, key, was, value, code, word, ttl)
  local head = code .. sub(was, 2, 40) .. ARGV[1] .. string.format('%013d', now + keep)
  call('SET', key, head .. sub(value, 67), 'PX', math.max(keep, tonumber(ttl)))
  ended[#ended + 1] = sub(key, cut)
  tell(i, word, head)
  push(i, key, code, ttl)
end

for i = 1, n do
  local a = 3 * i + 3
  local key, value, ttl, late = KEYS[i + 1], ARGV[a], ARGV[a + 1], ARGV[a + 2] == '1'
  local was = call('SET', key, value, 'PX', ttl, 'NX', 'GET')
  if not was then
    local m = #scores
    scores[m + 1], scores[m + 2] = sub(value, 28, 40), sub(key, cut)
    if late then
      close(i, key, 'X0' .. sub(value, 3), value, 'X', 'expired', ttl)
    end
  else
    local status, starts = sub(was, 1, 1), tonumber(sub(was, 2, 2))
    odd[1] = odd[1] + 1
    if status == 'Q' then left[#left + 1] = sub(key, cut) end
    if status ~= 'R' and status ~= 'Q' then
      tell(i, 'done', sub(was, 1, 66))
      push(i, key, status, ttl)
    elseif status == 'R' and sub(was, 4, 19) == sub(value, 4, 19) then
      tell(i, 'run', sub(was, 1, 66)) -- this very claim, sent again
    elseif sub(was, 3, 3) == '1' then
      close(i, key, was, value, 'C', 'canceled', ttl)
    elseif late then
      close(i, key, was, value, 'X', 'expired', ttl)
    elseif starts >= 3 then
      close(i, key, was, value, 'F', 'exhausted', ttl)
    else
      local version = sub(was, 20, 27)
      if version == '00000000' then version = sub(value, 20, 27) end
      local head = 'R' .. (starts + 1) .. '0' .. sub(value, 4, 19) .. version .. sub(was, 28, 66)
      call('SET', key, head .. sub(value, 67), 'PX', ttl)
      if starts > 0 or version ~= sub(value, 20, 27) then tell(i, 'run', head) end
    end
  end
end

if #scores > 0 then call('ZADD', KEYS[1], unpack(scores)) end
if #left > 0 then -- they were noted or given back; the sets that say so are of the index's hash tag
  local tag = sub(KEYS[1], 1, -7)
  call('ZREM', tag .. ':queue', unpack(left))
  call('ZREM', tag .. ':deadlines', unpack(left))
  call('HDEL', tag .. ':hooks', unpack(left))
end
if #ended > 0 then call('PUBLISH', ARGV[4], table.concat(ended, ' ')) end
if due then call('PUBLISH', ARGV[at], ARGV[at + 1]) end
return odd
