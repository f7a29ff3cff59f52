import type { Script } from "../../src/brokers/redis-client.ts";

/** One list of a queue: as {@link listsScript} returns it. */
export type ListNumbers = readonly [
  length: number,
  /** Messages that were looked at: all up to 1000, else 500 from either end, and fewer where they are large. */
  seen: number,
  /** `headers.eta` of those that have one, as text. */
  etas: readonly string[],
  /** The next message without an ETA: its delivery tag, and `headers.enqueued_at` where the producer sets it. */
  tag: string,
  enqueuedAt: string,
];

/** What {@link unackedScript} returns. */
export type UnackedNumbers = readonly [
  total: number,
  seen: number,
  /** Delivered longer ago than the visibility timeout: the next worker puts them back. */
  overdue: number,
  /** `"exchange", "routing key"` in JSON, how many without an ETA, and the ETAs of the others. */
  groups: readonly (readonly [route: string, plain: number, etas: readonly string[]])[],
  /** The server's wall clock, ms. */
  now: number,
];

// Messages carry their bodies and can be large, so only the two headers leave Redis. The quotes of a key within a body
// or an argument's text are escaped, so the first `"eta"` followed by a colon is the header.
const header = `
local function header(message, name, pattern)
  local from, to = string.find(message, '"' .. name .. '"', 1, true)
  return from and string.match(message, '^%s*:%s*' .. pattern, to + 1)
end
local bytesCap = 1048576
`;

/**
 * keys: the lists of one trigger's queues, one for each priority step. New messages come in at the left, the next one to
 * be taken stands at the right; what a worker gives back at its end comes in at the right, ETA and all.
 */
export const listsScript: Script = {
  name: "celery-lists",
  body: `${header}
local rows, lengths, filled = {}, {}, 0
for i, key in ipairs(keys) do
  lengths[i] = redis.call("LLEN", key)
  if lengths[i] > 0 then filled = filled + 1 end
end
for i, key in ipairs(keys) do
  local length = lengths[i]
  local seen, bytes, etas, tag, enqueued = 0, 0, {}, nil, nil
  local share = 2 * bytesCap / filled
  local function look(from, to)
    local slice = redis.call("LRANGE", key, from, to)
    for j = #slice, 1, -1 do
      local message = slice[j]
      seen, bytes = seen + 1, bytes + #message
      local eta = header(message, "eta", '"([^"]+)"')
      if eta then
        etas[#etas + 1] = eta
      elseif not tag then
        tag = header(message, "delivery_tag", '"([^"]+)"') or ""
        enqueued = header(message, "enqueued_at", '"?([^",}]+)') or ""
      end
    end
  end
  -- Slices of 4 and more, 50 at most, as far as the size of the messages so far lets the next one fit.
  local function step(rest)
    if seen == 0 then return math.min(4, rest) end
    return math.min(50, rest, math.floor((share - bytes) * seen / (bytes + 1)))
  end
  local near, at, count = length > 1000 and 500 or length, 0, 0
  repeat
    count = step(near - at)
    if count > 0 then look(-at - count, -at - 1) end
    at = at + count
  until count <= 0
  near, at = length - near > 500 and 500 or 0, 0
  repeat
    count = step(near - at)
    if count > 0 then look(at, at + count - 1) end
    at = at + count
  until count <= 0
  rows[i] = { length, seen, etas, tag or "", enqueued or "" }
end
return { now, rows }
`,
};

/** keys: unacked, unacked_index, which all queues of one database and key prefix share; args: visibility timeout in s. */
export const unackedScript: Script = {
  name: "celery-unacked",
  body: `${header}
local total = redis.call("HLEN", keys[1])
if total == 0 then return { 0, 0, 0, {}, now } end
local probe, bytes = redis.call("HRANDFIELD", keys[1], 4, "WITHVALUES"), 0
for i = 2, #probe, 2 do bytes = bytes + #probe[i] end
local cap = math.max(4, math.min(200, math.floor(bytesCap / (bytes * 2 / #probe + 1))))
local values = {}
if total <= cap then
  values = redis.call("HVALS", keys[1])
else
  local picked = redis.call("HRANDFIELD", keys[1], cap, "WITHVALUES")
  for i = 2, #picked, 2 do values[#values + 1] = picked[i] end
end
local groups, index = {}, {}
for _, value in ipairs(values) do
  local route = string.match(string.sub(value, -2048), '^.*}, (".*)%]$') or ""
  if not index[route] then
    groups[#groups + 1] = { route, 0, {} }
    index[route] = groups[#groups]
  end
  local group, eta = index[route], header(value, "eta", '"([^"]+)"')
  if eta then group[3][#group[3] + 1] = eta else group[2] = group[2] + 1 end
end
local overdue = redis.call("ZCOUNT", keys[2], "-inf", math.floor(now / 1000) - tonumber(args[1]))
return { total, #values, overdue, groups, now }
`,
};
