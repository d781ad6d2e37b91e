"""What has to happen in one step on a Redis server, in Lua. Times are microseconds by the server's clock.

A text that is kept has a head line before it: the mark of its answer (or `-`), then those of the documents that it
quotes, separated by commas.
"""

_CLOCK = """
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function digits(number) return string.format('%.0f', number) end
local function later_than_all(key)
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  return math.max(clock(), (tonumber(last[2]) or 0) + 1)
end
local function live(key, keep)
  if keep > 0 then redis.call('PEXPIRE', key, digits(math.ceil(keep / 1000))) end
end
local function forgotten(key, first)
  for at = first, #ARGV do
    if redis.call('SISMEMBER', key, ARGV[at]) == 1 then return true end
  end
  return false
end
"""

# KEYS: conversation, the owner's list. ARGV: id, owner, title, how many at most, microseconds to live (0: for ever).
CREATE = (
    _CLOCK
    + """
local now, keep = later_than_all(KEYS[2]), tonumber(ARGV[5])
if keep > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. digits(now - keep)) end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return false end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'title', ARGV[3], 'created', digits(now), 'updated', digits(now))
redis.call('ZADD', KEYS[2], digits(now), ARGV[1])
live(KEYS[1], keep)
live(KEYS[2], keep)
return digits(now)
"""
)

# KEYS: conversation, its turns, the owner's list, forgotten. ARGV: id, owner, turn, title, how many at most,
# microseconds to live, marks … Returns whether there is such a conversation (-1), whether it is full (-2).
ADD_TURN = (
    _CLOCK
    + """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then return -1 end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[5]) then return -2 end
if forgotten(KEYS[4], 7) then return 0 end
local now, keep = later_than_all(KEYS[3]), tonumber(ARGV[6])
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], 'updated', digits(now))
if redis.call('HGET', KEYS[1], 'title') == '' then redis.call('HSET', KEYS[1], 'title', ARGV[4]) end
redis.call('ZADD', KEYS[3], digits(now), ARGV[1])
for at = 1, 3 do live(KEYS[at], keep) end
return 1
"""
)

# KEYS: conversation, its turns, the owner's list. ARGV: id, owner.
DELETE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
"""

# KEYS: entry, forgotten. ARGV: text, milliseconds to live, marks …
CACHE = (
    _CLOCK
    + """
if forgotten(KEYS[2], 3) then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
)

# KEYS: what is kept of an answer, forgotten. ARGV: field, text, microseconds to live, mark of the answer, marks …
KEEP = (
    _CLOCK
    + """
if forgotten(KEYS[2], 4) then
  redis.call('SADD', KEYS[2], ARGV[4])
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
live(KEYS[1], tonumber(ARGV[3]))
return 1
"""
)

_TEXTS = """
local kind, texts, fields = redis.call('TYPE', KEYS[1]).ok, {}, {}
if kind == 'string' then texts = {redis.call('GET', KEYS[1])}
elseif kind == 'list' then texts = redis.call('LRANGE', KEYS[1], 0, -1)
elseif kind == 'hash' then texts, fields = redis.call('HVALS', KEYS[1]), redis.call('HKEYS', KEYS[1]) end
local function head(text) return string.match(text, '^([^\\n]*)\\n') or '' end
"""

# KEYS: anything. Returns the head lines of what it holds.
HEADS = (
    _TEXTS
    + """
local heads = {}
for at, text in ipairs(texts) do heads[at] = head(text) end
return heads
"""
)

# KEYS: anything. ARGV: marks … Removes what has one of them in its head line, and returns how many that were.
REMOVE = (
    _TEXTS
    + """
local removed = 0
local function is_marked(text)
  local line = head(text)
  for _, mark in ipairs(ARGV) do
    if string.find(line, mark, 1, true) then return true end
  end
  return false
end
for at, text in ipairs(texts) do
  if is_marked(text) then
    if kind == 'string' then removed = removed + redis.call('DEL', KEYS[1])
    elseif kind == 'list' then removed = removed + redis.call('LREM', KEYS[1], 0, text)
    else removed = removed + redis.call('HDEL', KEYS[1], fields[at]) end
  end
end
return removed
"""
)
