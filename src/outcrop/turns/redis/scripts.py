"""
All that Redis does for the log, each a Lua script and so one atomic step.

KEYS[1] is the prefix; the names behind it are made in the scripts, which is why Redis Cluster is not supported. Each
script may be run again with the same arguments when its answer was lost: the second run answers as the first did.
"""

import hashlib

import msgspec

from outcrop.turns.redis.codec import DISCARDED, RECORD_FIELDS

APPEND_MISSING = 0
APPEND_LOST = 1
APPEND_MISMATCH = 2
APPEND_STOP = 3


class Script(msgspec.Struct, frozen=True):
    """
    Hold a script and the digest by which Redis knows it.
    """

    source: str
    sha: str


def _script(source: str) -> Script:
    whole = _HEAD + source
    return Script(whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())


_HEAD = """
local p = KEYS[1]
local function call(...) return redis.call(...) end
local function milliseconds()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function forget(id)
  local size = call('HGET', p..'sizes', id)
  if size then
    call('HDEL', p..'sizes', id)
    call('DECRBY', p..'retained', size)
  end
  call('ZREM', p..'finals', id)
  call('DEL', p..'turn:'..id, p..'log:'..id)
end
"""

_WRITE_TURN = """
local function write_turn(epoch, before)
  call('HSET', p..'turn:'..ARGV[1], 'replica', ARGV[2], 'owner', ARGV[3], 'opening', ARGV[4], 'request', ARGV[5],
    'epoch', epoch, 'nonce', ARGV[12], 'token', ARGV[13], 'first', ARGV[14], 'last', ARGV[14] - 1, 'bytes', 0,
    'state', 'running', 'before', before or '')
  call('EXPIRE', p..'turn:'..ARGV[1], ARGV[10])
  call('SADD', p..'turns:'..ARGV[2], ARGV[1])
  if ARGV[6] ~= '' then call('SET', p..'key:'..ARGV[6], ARGV[1]..' '..ARGV[7], 'PX', ARGV[9]) end
  if ARGV[8] ~= '' then call('SET', p..'chat:'..ARGV[8], ARGV[1], 'EX', ARGV[10]) end
end
"""

ACQUIRE = _script(
    _WRITE_TURN
    + """
-- 1 turn, 2 replica, 3 owner, 4 opening, 5 request, 6 idempotency key, 7 fingerprint, 8 chat, 9 milliseconds that the
-- idempotency key is kept, 10 seconds that a running turn is kept at most, 11 epoch for an empty store, 12 nonce,
-- 13 token, 14 first position
local nonce = call('HGET', p..'turn:'..ARGV[1], 'nonce')
if nonce == ARGV[12] then return {'ok', call('HGET', p..'turn:'..ARGV[1], 'epoch')} end
if nonce then return {'exists'} end
if ARGV[6] ~= '' then
  local begun = call('GET', p..'key:'..ARGV[6])
  if begun then return {'duplicate', begun} end
end
local before = ARGV[8] ~= '' and call('GET', p..'chat:'..ARGV[8])
if before and call('HGET', p..'turn:'..before, 'state') == 'running' then return {'busy', before} end
call('SET', p..'epoch', ARGV[11], 'NX')
local epoch = call('GET', p..'epoch')
write_turn(epoch, before)
return {'ok', epoch}
"""
)

RECREATE = _script(
    _WRITE_TURN
    + """
-- The arguments of the script that begins a turn; 11 is the turn's own epoch.
local held = call('HMGET', p..'turn:'..ARGV[1], 'token', 'state')
if held[1] and (held[1] ~= ARGV[13] or held[2] ~= 'running') then return 'lost' end
call('DEL', p..'log:'..ARGV[1])
write_turn(ARGV[11], false)
return 'ok'
"""
)

DISCARD = _script(f"""
-- 1 turn, 2 token, 3 idempotency key, 4 chat, 5 replica
local held = call('HMGET', p..'turn:'..ARGV[1], 'token', 'state', 'before')
if held[1] ~= ARGV[2] or held[2] ~= 'running' then return 0 end
if ARGV[3] ~= '' then
  local begun = call('GET', p..'key:'..ARGV[3])
  if begun and string.sub(begun, 1, #ARGV[1] + 1) == ARGV[1]..' ' then call('DEL', p..'key:'..ARGV[3]) end
end
if ARGV[4] ~= '' and call('GET', p..'chat:'..ARGV[4]) == ARGV[1] then
  local left = held[3] ~= '' and call('PTTL', p..'turn:'..held[3]) or 0
  if left > 0 then call('SET', p..'chat:'..ARGV[4], held[3], 'PX', left) else call('DEL', p..'chat:'..ARGV[4]) end
end
call('SREM', p..'turns:'..ARGV[5], ARGV[1])
call('DEL', p..'turn:'..ARGV[1], p..'log:'..ARGV[1])
call('PUBLISH', p..'on:'..ARGV[1], '{DISCARDED.decode()}')
return 1
""")

APPEND = _script(f"""
-- For each turn: turn, token, position before, last position, bytes so far, batch, seconds that it is kept at most.
-- Answers only for turns that need attention: index, what, last position.
local out = {{}}
local function tell(i, what, last) out[#out + 1] = {{(i - 1) / 7, what, tonumber(last)}} end
for i = 1, #ARGV, 7 do
  local id = ARGV[i]
  local turn = p..'turn:'..id
  local held = call('HMGET', turn, 'token', 'last', 'state', 'stop', 'first')
  if not held[1] then tell(i, {APPEND_MISSING}, 0)
  elseif held[1] ~= ARGV[i + 1] or held[3] ~= 'running' then tell(i, {APPEND_LOST}, held[2])
  elseif held[2] ~= ARGV[i + 2] then tell(i, {APPEND_MISMATCH}, held[2])
  else
    local added = redis.pcall('XADD', p..'log:'..id, ARGV[i + 3]..'-0', 'b', ARGV[i + 5])
    if type(added) == 'table' and added.err then tell(i, {APPEND_MISSING}, 0)
    else
      call('HSET', turn, 'last', ARGV[i + 3], 'bytes', ARGV[i + 4])
      if tonumber(held[5]) == ARGV[i + 2] + 1 then call('EXPIRE', p..'log:'..id, ARGV[i + 6]) end
      call('PUBLISH', p..'on:'..id, ARGV[i + 5])
      if held[4] then tell(i, {APPEND_STOP}, ARGV[i + 3]) end
    end
  end
end
return out
""")

FINALIZE = _script("""
-- 1 turn, 2 token, 3 position before, 4 last position, 5 bytes, 6 batch, 7 state, 8 summary, 9 ended at, 10 retention
-- in seconds, 11 bytes that all final logs may take, 12 chat, 13 replica
local turn = p..'turn:'..ARGV[1]
local held = call('HMGET', turn, 'token', 'last', 'state')
if not held[1] then return {'missing', 0} end
if held[1] ~= ARGV[2] then return {'lost', 0} end
if held[3] ~= 'running' then return {held[2] == ARGV[4] and held[3] == ARGV[7] and 'ok' or 'lost', 0} end
if held[2] ~= ARGV[3] then return {'mismatch', tonumber(held[2])} end
local added = redis.pcall('XADD', p..'log:'..ARGV[1], ARGV[4]..'-0', 'b', ARGV[6])
if type(added) == 'table' and added.err then return {'missing', 0} end
call('HSET', turn, 'last', ARGV[4], 'bytes', ARGV[5], 'state', ARGV[7], 'summary', ARGV[8], 'ended', ARGV[9])
call('HDEL', turn, 'request')
call('EXPIRE', turn, ARGV[10])
call('EXPIRE', p..'log:'..ARGV[1], ARGV[10])
if ARGV[12] ~= '' and call('GET', p..'chat:'..ARGV[12]) == ARGV[1] then
  call('EXPIRE', p..'chat:'..ARGV[12], ARGV[10])
end
call('SREM', p..'turns:'..ARGV[13], ARGV[1])
call('PUBLISH', p..'on:'..ARGV[1], ARGV[6])
local now = milliseconds()
local aged = call('ZRANGEBYSCORE', p..'finals', '-inf', now - ARGV[10] * 1000, 'LIMIT', 0, 100)
for _, id in ipairs(aged) do forget(id) end
call('ZADD', p..'finals', now, ARGV[1])
call('HSET', p..'sizes', ARGV[1], ARGV[5])
local retained = call('INCRBY', p..'retained', ARGV[5])
while retained > tonumber(ARGV[11]) do
  local oldest = call('ZRANGE', p..'finals', 0, 0)[1]
  if not oldest then call('SET', p..'retained', 0) break end
  forget(oldest)
  retained = tonumber(call('GET', p..'retained'))
end
return {'ok', 0}
""")

_FIELDS = ", ".join(f"'{name}'" for name in RECORD_FIELDS)

LOOK = _script(f"""
-- 1 turn, or nothing; 2 the chat whose latest turn is meant
local id = ARGV[1]
if id == '' then id = call('GET', p..'chat:'..ARGV[2]) end
local epoch = call('GET', p..'epoch') or ''
if not id or call('EXISTS', p..'turn:'..id) == 0 then return {{epoch}} end
return {{epoch, call('HMGET', p..'turn:'..id, {_FIELDS})}}
""")

DELETE = _script("""
-- 1 turn, 2 owner
local held = call('HMGET', p..'turn:'..ARGV[1], 'owner', 'state')
if held[1] ~= ARGV[2] then return 'unknown' end
if held[2] == 'running' then return 'running' end
forget(ARGV[1])
return 'ok'
""")

STOP = _script("""
-- 1 turn, 2 owner
local held = call('HMGET', p..'turn:'..ARGV[1], 'owner', 'state', 'replica')
if held[1] ~= ARGV[2] then return 'unknown' end
if held[2] == 'running' then
  call('HSET', p..'turn:'..ARGV[1], 'stop', 1)
  call('PUBLISH', p..'ctl:'..held[3], 'stop '..ARGV[1])
end
return 'ok'
""")

BEAT = _script("""
-- 1 replica, 2 lease in milliseconds, 3 epoch for an empty store
-- Answers the number of turns that are the replica's, and the replicas whose lease has run out.
call('SET', p..'epoch', ARGV[3], 'NX')
local now = milliseconds()
call('ZADD', p..'replicas', now + ARGV[2], ARGV[1])
local dead = call('ZRANGEBYSCORE', p..'replicas', '-inf', now, 'LIMIT', 0, 16)
return {call('SCARD', p..'turns:'..ARGV[1]), dead}
""")

CHECK = _script("""
-- Turns. For each: token, state, asked to stop, last position.
local out = {}
for i, id in ipairs(ARGV) do out[i] = call('HMGET', p..'turn:'..id, 'token', 'state', 'stop', 'last') end
return out
""")

TAKE_OVER = _script("""
-- 1 replica, 2 the dead one, or nothing. Answers all turns that the replica ever took over and that still run.
local me = ARGV[1]
local score = ARGV[2] ~= '' and call('ZSCORE', p..'replicas', ARGV[2])
if score and tonumber(score) <= milliseconds() then
  for _, id in ipairs(call('SMEMBERS', p..'turns:'..ARGV[2])) do
    local turn = p..'turn:'..id
    local held = call('HMGET', turn, 'state', 'replica')
    if held[1] == 'running' and held[2] == ARGV[2] then
      call('HINCRBY', turn, 'token', 1)
      call('HSET', turn, 'replica', me, 'orphan', 1)
      call('SADD', p..'turns:'..me, id)
      call('PUBLISH', p..'ctl:'..ARGV[2], 'lost '..id)
    end
  end
  call('DEL', p..'turns:'..ARGV[2])
  call('ZREM', p..'replicas', ARGV[2])
end
local mine = {}
for _, id in ipairs(call('SMEMBERS', p..'turns:'..me)) do
  if call('HGET', p..'turn:'..id, 'orphan') then mine[#mine + 1] = id end
end
return mine
""")

LEAVE = _script("""
-- 1 replica. What it leaves behind is taken over at once.
if call('SCARD', p..'turns:'..ARGV[1]) == 0 then call('ZREM', p..'replicas', ARGV[1])
else call('ZADD', p..'replicas', 0, ARGV[1]) end
return 1
""")

ANNOUNCE = _script("""
-- 1 replica, 2 join or leave, then turns: tells each turn's own replica.
for i = 3, #ARGV do
  local owner = call('HGET', p..'turn:'..ARGV[i], 'replica')
  if owner and owner ~= ARGV[1] then call('PUBLISH', p..'ctl:'..owner, ARGV[2]..' '..ARGV[i]..' '..ARGV[1]) end
end
return 1
""")
