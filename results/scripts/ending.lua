-- Before `note`, `cancel` and `expire`, after outbox.lua: the end of a queued job that no worker holds.
-- A model's queued jobs stand in {tag}:queue (noted, by creation), {tag}:deadlines (by the time at which they expire) and
-- {tag}:hooks: msgpack of [channel of a POST that waits or '', codes, URL or ''].

-- Tell who waits for it and put its webhook into the outbox. True: deliveries are to be woken.
local function tell_end(tag, id, code, hook, now, life)
  local key, channel, codes, url = tag .. ':j:' .. id, unpack(cmsgpack.unpack(hook))
  if channel ~= '' then
    redis.call('PUBLISH', channel, cmsgpack.pack({ { key, redis.call('GET', key) } }))
  end
  if url == '' then return false end
  redis.call('PEXPIRE', key, life, 'GT')
  return outbox({ tag .. ':d:' .. id, codes, url }, tag .. ':due', id, code, now, life)
end

-- End it as `code`; `times`: ended and readable until (13 + 13). True as above.
local function end_queued(tag, id, code, times, ttl, life)
  local key, hooks = tag .. ':j:' .. id, tag .. ':hooks'
  redis.call('SETRANGE', key, 0, code)
  redis.call('SETRANGE', key, 40, times)
  redis.call('PEXPIRE', key, ttl, 'GT')
  redis.call('ZREM', tag .. ':queue', id)
  redis.call('ZREM', tag .. ':deadlines', id)
  local hook = redis.call('HGET', hooks, id)
  if not hook then return false end
  redis.call('HDEL', hooks, id)
  return tell_end(tag, id, code, hook, string.sub(times, 1, 13), life)
end

