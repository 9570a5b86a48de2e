-- Take the sweeper's lease or keep it, and see which models have something to expire by now.
-- KEYS  lease · models due
-- ARGV  token · lease (ms) · now · limit
-- Returns false where another process holds the lease, else the models, `account:model` each.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
