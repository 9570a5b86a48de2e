-- Note accepted jobs as queued, each only where nothing is known of it yet.
-- KEYS  index · n job keys; the others of their hash tag are named from the index's
-- ARGV  bytes of a job key before its id · jobs that may stand in the queue · now · life of a delivery (ms)
--       · channel that wakes deliveries, its message
--       · per job: value, ttl (ms), deadline (Unix ms) or '', hook (ending.lua) or ''
-- Returns how many were noted. Past the bound only those with a deadline or a hook are.
local call, sub = redis.call, string.sub
local tag, cut = sub(KEYS[1], 1, -7), tonumber(ARGV[1]) + 1
local free = tonumber(ARGV[2]) - call('ZCARD', tag .. ':queue')
local scores, deadlines, hooks, due = {}, {}, {}, false

for i = 2, #KEYS do
  local a = 4 * i - 1
  local key, value, deadline, hook = KEYS[i], ARGV[a], ARGV[a + 2], ARGV[a + 3]
  local id = sub(key, cut)
  if free > 0 or deadline ~= '' or hook ~= '' then
    if call('SET', key, value, 'PX', ARGV[a + 1], 'NX') then
      free = free - 1
      scores[#scores + 1], scores[#scores + 2] = sub(value, 28, 40), id
      if deadline ~= '' then deadlines[#deadlines + 1], deadlines[#deadlines + 2] = deadline, id end
      if hook ~= '' then hooks[#hooks + 1], hooks[#hooks + 2] = id, hook end
    elseif hook ~= '' and call('GETRANGE', key, 0, 1) == 'C0' then -- canceled sooner than it could be noted
      due = tell_end(tag, id, 'C', hook, ARGV[3], ARGV[4]) or due
    end
  end
end

if #scores > 0 then
  call('ZADD', KEYS[1], unpack(scores))
  call('ZADD', tag .. ':queue', unpack(scores))
end
if #deadlines > 0 then call('ZADD', tag .. ':deadlines', unpack(deadlines)) end
if #hooks > 0 then call('HSET', tag .. ':hooks', unpack(hooks)) end
if due then call('PUBLISH', ARGV[5], ARGV[6]) end
return #scores / 2
