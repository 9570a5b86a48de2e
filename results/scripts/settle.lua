-- Write down what became of a delivery that was taken, if its lease still holds.
-- KEYS  deliveries due · the delivery · webhooks that answered 410
-- ARGV  id · token of the lease · state · tries of this round · next try (Unix ms) or '' · the try as JSON or ''
--       · URL to call no more or '' · now · ttl of that (ms) · tries that are kept
-- Returns 1; 0 where another has it by now.
local call = redis.call
local key = KEYS[2]
if call('HGET', key, 'lease') ~= ARGV[2] then return 0 end
call('HDEL', key, 'lease')
call('HSET', key, 'state', ARGV[3], 'step', ARGV[4])
if ARGV[6] ~= '' then
  local n = call('HINCRBY', key, 'tries', 1)
  call('HSET', key, 'try' .. n, ARGV[6])
  call('HDEL', key, 'try' .. (n - tonumber(ARGV[10])))
end
if ARGV[5] == '' then
  call('ZREM', KEYS[1], ARGV[1])
else
  call('ZADD', KEYS[1], ARGV[5], ARGV[1])
end
if ARGV[7] ~= '' then
  call('HSET', KEYS[3], ARGV[7], ARGV[8])
  call('PEXPIRE', KEYS[3], ARGV[9])
end
return 1
