-- Before `claim` and `finish`: the webhook of a job that ended, put into the outbox in the same step as its end.
-- A hook is {key of the delivery, status codes that are delivered ('': all), URL}; a delivery exists at most once a job.
local function outbox(hook, due, id, code, now, ttl)
  if hook[2] ~= '' and not string.find(hook[2], code, 1, true) then return false end
  if redis.call('EXISTS', hook[1]) == 1 then return false end
  redis.call('HSET', hook[1], 'url', hook[3], 'state', 'pending', 'step', 0, 'tries', 0)
  redis.call('PEXPIRE', hook[1], ttl)
  redis.call('ZADD', due, now, id)
  return true
end

-- The hooks among arguments from `from` on, by the number of their job: number, codes, URL each. Their keys, from
-- `key` on: deliveries due, then one for each.
local function hooks_of(key, from)
  if #KEYS < key then return nil end
  local found, n = {}, 0
  for k = key + 1, #KEYS do
    local a = from + 3 * n
    found[tonumber(ARGV[a])] = { KEYS[k], ARGV[a + 1], ARGV[a + 2] }
    n = n + 1
  end
  return found
end

