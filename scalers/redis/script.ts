import type { Script } from "../../src/brokers/redis-client.ts";

/** The most entries that are counted one by one, where Redis itself does not keep the count. */
const countCap = 1000;

/**
 * What {@link redisScript} answers: the number of waiting jobs alone, or with what else is known, null for what is not;
 * or a sentence that says what does not exist. `consumers` are names and pending entries in turn.
 */
export type KeyNumbers =
  | number
  | string
  | readonly [
      waiting: number,
      dueSoon: number | null,
      running: number | null,
      oldestMs: number | null,
      enqueued: number | null,
      finished: number | null,
      consumers: readonly (string | number)[] | null,
    ];

/**
 * keys: the key itself, then lists of jobs in hand. args: none for a list alone, else the kind, then what it needs.
 *
 * A group's `lag` and `entries-read` (Redis 7) are nil for a group that was created in mid-stream, and after an entry that
 * nobody has read was deleted: then the entries after the last delivered one are counted, up to a cap. An entry's id begins
 * with the time at which it was added, in ms.
 */
export const redisScript: Script = {
  name: "redis",
  body: `
  local key, kind = keys[1], args[1]
  if not kind then return redis.call('LLEN', key) end
  if kind == 'set' then return redis.call('SCARD', key) end
  if kind == 'hash' then return redis.call('HLEN', key) end
  if kind == 'list' then
    local running = 0
    for i = 2, #keys do running = running + redis.call('LLEN', keys[i]) end
    return {redis.call('LLEN', key), false, running, false, false, false, false}
  end
  if kind == 'sortedSet' then
    if not args[2] then return redis.call('ZCARD', key) end
    if args[2] ~= 'now' then return redis.call('ZCOUNT', key, '-inf', args[2]) end
    local scale, soon = tonumber(args[3]), tonumber(args[4])
    local due = string.format('%.3f', now / scale)
    local waiting = redis.call('ZCOUNT', key, '-inf', due)
    local dueSoon = redis.call('ZCOUNT', key, '(' .. due, string.format('%.3f', (now + soon) / scale))
    local oldest = false
    if waiting > 0 then oldest = now - tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]) * scale end
    return {waiting, dueSoon, false, oldest, false, false, false}
  end
  local function fields(flat)
    local map = {}
    for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
    return map
  end
  local name, groups = args[2], redis.pcall('XINFO', 'GROUPS', key)
  if groups.err then
    if redis.call('EXISTS', key) == 0 then return 'there is no stream ' .. key end
    return groups
  end
  local group
  for i = 1, #groups do
    local one = fields(groups[i])
    if one['name'] == name then group = one end
  end
  if not group then return 'stream ' .. key .. ' has no group ' .. name end
  -- A nil in the answer would end it: false is what is not known.
  local after, lag = '(' .. group['last-delivered-id'], group['lag']
  local first = redis.call('XRANGE', key, after, '+', 'COUNT', 1)[1]
  if not first then lag = 0 end
  if not lag then lag = #redis.call('XRANGE', key, after, '+', 'COUNT', ${countCap}) end
  local oldest = false
  if first then oldest = math.max(0, now - tonumber(string.match(first[1], '^%d+'))) end
  local read = group['entries-read']
  local consumers, list = {}, redis.call('XINFO', 'CONSUMERS', key, name)
  for i = 1, #list do
    local one = fields(list[i])
    consumers[2 * i - 1], consumers[2 * i] = one['name'], one['pending']
  end
  local added = fields(redis.call('XINFO', 'STREAM', key))['entries-added'] or false
  return {lag, false, group['pending'], oldest, added, read and (read - group['pending']) or false, consumers}`,
};
