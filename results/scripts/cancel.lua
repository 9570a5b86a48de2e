-- Cancel a job: at once where it does not run; of a running one its worker is asked.
-- KEYS  index · job key
-- ARGV  value of a canceled record (used where there is none) · ttl (ms) · id · ended channel · control channel
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
  call('SETRANGE', key, 0, 'C')
  call('SETRANGE', key, 40, sub(value, 41, 66))
  call('PEXPIRE', key, ttl, 'GT')
  call('PUBLISH', ARGV[4], id)
elseif status == 'R' then
  call('SETRANGE', key, 2, '1')
  call('PUBLISH', ARGV[5], 'cancel ' .. id)
end
return call('GET', key)
