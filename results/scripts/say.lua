-- Put what running jobs said into their streams, each only while its claim holds: late words never reach a job that ended.
-- KEYS  per event: job key, stream
-- ARGV  channel that wakes those who listen · entries kept · ttl (ms) · per event: token, id, name, data
local call = redis.call
local said, woken = {}, {}
for i = 1, #KEYS, 2 do
  local a = 2 * i + 2
  local head = call('GETRANGE', KEYS[i], 0, 18)
  if string.sub(head, 1, 1) == 'R' and string.sub(head, 4) == ARGV[a] then
    local last = call('XREVRANGE', KEYS[i + 1], '+', '-', 'COUNT', 1)
    -- 1 is "queued" and 2 "started", which nobody stores
    local number = last[1] and tonumber(string.match(last[1][1], '^%d+')) + 1 or 3
    call('XADD', KEYS[i + 1], 'MAXLEN', '~', ARGV[2], number .. '-0', 'name', ARGV[a + 2], 'data', ARGV[a + 3])
    call('PEXPIRE', KEYS[i + 1], ARGV[3])
    if not woken[ARGV[a + 1]] then
      woken[ARGV[a + 1]] = true
      said[#said + 1] = ARGV[a + 1]
    end
  end
end
if #said > 0 then call('PUBLISH', ARGV[1], table.concat(said, ' ')) end
return #said
