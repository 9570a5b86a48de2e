#!lua flags=allow-oom
-- Free the memory of results past their time, oldest first.
-- KEYS  index · deliveries due: what a webhook still has to bring stays whole
-- ARGV  prefix of job keys · now · created before · how many of the index to skip · limit
-- Returns how many it looked at, and how many left the index.
-- The jobs' keys are under the index's hash tag; which they are, only the index knows.
local call, sub = redis.call, string.sub
local now, gone = ARGV[2], {}
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3], 'LIMIT', ARGV[4], ARGV[5])
for i = 1, #ids do
  local key = ARGV[1] .. ids[i]
  local head = call('GETRANGE', key, 0, 65)
  local expires = sub(head, 54, 66)
  if head == '' then
    gone[#gone + 1] = ids[i]
  elseif expires ~= '0000000000000' and expires <= now and not call('ZSCORE', KEYS[2], ids[i]) then
    call('SET', key, head, 'KEEPTTL')
    gone[#gone + 1] = ids[i]
  end
end
if #gone > 0 then call('ZREM', KEYS[1], unpack(gone)) end
return { #ids, #gone }
