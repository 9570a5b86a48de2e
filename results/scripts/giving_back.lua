-- Before `postpone` and `release`: a job that is queued again ends in time without any worker, too.
local function wait_queued(key, id, expires, ttl, hook)
  redis.call('ZADD', KEYS[1], expires, id)
  redis.call('PEXPIRE', key, ttl, 'GT')
  if hook ~= '' then redis.call('HSET', KEYS[2], id, hook) end
end

