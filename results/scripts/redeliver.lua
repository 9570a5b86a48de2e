-- Begin a delivery anew, whatever became of it.
-- KEYS  deliveries due · the delivery · webhooks that answered 410 · job key
-- ARGV  id · now · ttl (ms) · channel that wakes deliveries · its message
-- Returns 1; 0 where the job has no delivery, -1 where its result is gone.
local call = redis.call
local url = call('HGET', KEYS[2], 'url')
if not url then return 0 end
if call('STRLEN', KEYS[4]) <= 66 then return -1 end
call('HDEL', KEYS[2], 'lease')
call('HSET', KEYS[2], 'state', 'pending', 'step', 0)
call('PEXPIRE', KEYS[2], ARGV[3], 'GT')
call('PEXPIRE', KEYS[4], ARGV[3], 'GT')
call('HDEL', KEYS[3], url)
call('ZADD', KEYS[1], ARGV[2], ARGV[1])
call('PUBLISH', ARGV[4], ARGV[5])
return 1
