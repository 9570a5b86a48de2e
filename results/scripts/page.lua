-- Jobs newest first, but for those past their time.
-- KEYS  index
-- ARGV  prefix of job keys · status code or '' · limit · score and id to go on after, or '' ''
-- Returns the score and id to go on after ('' '' at the end), then per job: id, value without its output.
-- The jobs' keys are under the index's hash tag; which they are, only the index knows.
local call, sub = redis.call, string.sub
local prefix, wanted, limit, score, id = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local at, out, scanned = 0, { '', '' }, 0
if id ~= '' then
  local rank = call('ZREVRANK', KEYS[1], id)
  at = rank and rank + 1 or call('ZCOUNT', KEYS[1], '(' .. score, '+inf')
end
while true do
  local some = call('ZREVRANGE', KEYS[1], at, at + 99, 'WITHSCORES')
  if #some == 0 then return out end
  for i = 1, #some, 2 do
    local key = prefix .. some[i]
    local head = call('GETRANGE', key, 0, 73)
    at, scanned = at + 1, scanned + 1
    if #head > 66 and (wanted == '' or sub(head, 1, 1) == wanted) then
      local m = #out
      out[m + 1] = some[i]
      out[m + 2] = call('GETRANGE', key, 0, 73 + tonumber(sub(head, 67)))
    end
    if #out >= 2 * limit + 2 or scanned >= 2000 then
      out[1], out[2] = some[i + 1], some[i]
      return out
    end
  end
end
