#!lua flags=allow-oom
-- End queued jobs whose deadline or maximum age has passed, as expired.
-- KEYS  index; the others of its hash tag are named from it: which they are, only its sorted sets know
-- ARGV  now · accepted before which a job's maximum age is over · readable until · ttl (ms) · life of a delivery (ms)
--       · limit · ended channel · channel that wakes deliveries, its message
-- Returns how many it looked at, how many it ended, the next deadline ('' : none), when the next one left in the queue
--         was accepted ('' : none).
local call, sub = redis.call, string.sub
local tag = sub(KEYS[1], 1, -7)
local queue, deadlines = tag .. ':queue', tag .. ':deadlines'
local seen, ended, due = 0, {}, false

local function look(set, before)
  for _, id in ipairs(call('ZRANGEBYSCORE', set, '-inf', '(' .. before, 'LIMIT', 0, ARGV[6])) do
    seen = seen + 1
    if call('GETRANGE', tag .. ':j:' .. id, 0, 0) == 'Q' then
      due = end_queued(tag, id, 'X', ARGV[1] .. ARGV[3], ARGV[4], ARGV[5]) or due
      ended[#ended + 1] = id
    else -- its record is past its time
      call('ZREM', queue, id)
      call('ZREM', deadlines, id)
      call('HDEL', tag .. ':hooks', id)
    end
  end
  return call('ZRANGE', set, 0, 0, 'WITHSCORES')[2] or ''
end

local next_, oldest = look(deadlines, ARGV[1]), look(queue, ARGV[2])
if #ended > 0 then call('PUBLISH', ARGV[7], table.concat(ended, ' ')) end
if due then call('PUBLISH', ARGV[8], ARGV[9]) end
return { seen, #ended, next_, oldest }
