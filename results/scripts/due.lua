-- Take deliveries whose time has come: whoever took them is alone with them until the lease ends.
-- KEYS  deliveries due · webhooks that answered 410
-- ARGV  prefix of deliveries' keys · now · lease until (Unix ms) · limit · token of this lease
-- Returns when the next one is due ('' : none), then per delivery: id, URL, tries of this round, tries in all,
--         whether the URL answered 410.
-- The deliveries' keys are under the same hash tag; which they are, only the sorted set knows.
local call = redis.call
local out = { '' }
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'LIMIT', 0, ARGV[4])) do
  local key = ARGV[1] .. id
  local found = call('HMGET', key, 'url', 'step', 'tries')
  if found[1] then
    call('ZADD', KEYS[1], ARGV[3], id)
    call('HSET', key, 'lease', ARGV[5])
    local m = #out
    out[m + 1], out[m + 2], out[m + 3], out[m + 4] = id, found[1], found[2], found[3]
    out[m + 5] = call('HEXISTS', KEYS[2], found[1])
  else
    call('ZREM', KEYS[1], id)
  end
end
local next_ = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if next_[2] then out[1] = next_[2] end
return out
