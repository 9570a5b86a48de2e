-- Cancel a job: at once where it does not run; of a running one its worker is asked.
-- KEYS  index · job key; the others of a queued job are named from the index's
-- ARGV  value of a canceled record (used where there is none) · ttl (ms) · id · ended channel · control channel
--       · life of a delivery (ms) · channel that wakes deliveries, its message
-- Returns the record's value as it stands then.
local call, sub = redis.call, string.sub
local key, value, ttl, id = KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local was = call('SET', key, value, 'PX', ttl, 'NX', 'GET')
if not was then
  call('ZADD', KEYS[1], sub(value, 28, 40), id)
  call('PUBLISH', ARGV[4], id)
  return value
end
local status = sub(was, 1, 1)
if status == 'Q' then
  local due = end_queued(sub(KEYS[1], 1, -7), id, 'C', sub(value, 41, 66), ttl, ARGV[6])
  call('PUBLISH', ARGV[4], id)
  if due then call('PUBLISH', ARGV[7], ARGV[8]) end
elseif status == 'R' then
  call('SETRANGE', key, 2, '1')
  call('PUBLISH', ARGV[5], 'cancel ' .. id)
end
return call('GET', key)
