#!lua flags=allow-oom
-- Drop the result of a job that ended, and all that hangs on it; its head stays, so that it never runs again.
-- KEYS  job key · index · stream of its events · its delivery · deliveries due
-- ARGV  now · id
-- Returns the head as it was, '' where there is none; one of a job that has not ended says that nothing was done.
local call, sub = redis.call, string.sub
local head = call('GETRANGE', KEYS[1], 0, 65)
local status = sub(head, 1, 1)
if head == '' or status == 'Q' or status == 'R' then return head end
local until_ = math.min(tonumber(sub(head, 54, 66)), tonumber(ARGV[1]))
call('SET', KEYS[1], sub(head, 1, 53) .. string.format('%013d', until_), 'KEEPTTL')
call('ZREM', KEYS[2], ARGV[2])
call('DEL', KEYS[3], KEYS[4])
call('ZREM', KEYS[5], ARGV[2])
return head
