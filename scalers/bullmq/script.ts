import type { Script } from "../../src/brokers/redis-client.ts";

/** Jobs in hand of one queue whose holders are looked up: beyond it who is busy is not known (2 commands a job). */
export const holdersCap = 1000;

/** What {@link queueScript} returns, in its order. */
export type QueueNumbers = readonly [
  now: number,
  /** `wait` without markers, `prioritized`, and what is left in the `paused` list of a paused queue. */
  ready: number,
  /** Delayed and due: nothing but a worker promotes them, so without workers they stay in `delayed` for ever. */
  due: number,
  dueSoon: number,
  active: number,
  /** Age of the oldest of `ready` and `due`, ms; -1 when there is none. */
  oldestMs: number,
  paused: number,
  /** `meta.concurrency`, -1 when there is no global limit. */
  concurrency: number,
  /** `meta.max` and `meta.duration`, -1 when there is no global rate limit. */
  rateMax: number,
  rateMs: number,
  /** Jobs begun in the present window of the rate limit, and the time until it ends, ms. */
  rateCount: number,
  rateLeftMs: number,
  /** Jobs ever added, -1 before the first. */
  added: number,
  /** Jobs that cannot run yet: delayed (due ones too), and those that wait for their children. */
  asleep: number,
  /** For each name of a worker ("" = it has none): the name, its jobs with a lock, its jobs whose lock has lapsed. */
  holders: readonly (string | number)[],
];

/**
 * One queue of BullMQ, without writing (the package's own getCounts may RPOP a marker).
 * keys: wait, active, prioritized, delayed, waiting-children, paused, meta, limiter, id; args: the key in front of job
 * ids, look-ahead in ms, cap on holders. Layout: bullmq 6.7.0, `src/commands`:
 * - a delayed job's score is its due time in ms × 4096 plus a counter; a prioritized one's is priority × 2^32 plus a counter;
 * - `pause` sets `meta.paused` and leaves the jobs in `wait`; versions before 6 renamed `wait` to `paused`;
 * - versions before 6 kept a marker "0:…" in an otherwise empty `wait`, at an end of the list.
 * A job is ready since its `timestamp` plus the delay in its options (the field `delay` is set to 0 when it is promoted).
 * One that has been tried before is ready since it was last begun plus its back-off: nothing keeps the time of its
 * failure, so the age is too high by the time that the attempt took.
 */
export const queueScript: Script = {
  name: "bullmq",
  body: `
local wait, active, prioritized, delayed, parents, paused, meta, limiter, id = unpack(keys)
local base, lookAhead, cap = args[1], tonumber(args[2]), tonumber(args[3])
local call, oldest = redis.call, -1

local function readySince(job)
  local f, opts = call("HMGET", base .. job, "timestamp", "opts", "processedOn", "ats", "atm"), nil
  if f[2] and string.find(f[2], '"delay"', 1, true) then
    local ok, decoded = pcall(cjson.decode, f[2])
    if ok and type(decoded) == "table" then opts = decoded end
  end
  opts = opts or {}
  if tonumber(f[4] or 0) > 0 and f[3] then
    local backoff, tried = opts.backoff, tonumber(f[5] or 0)
    if type(backoff) ~= "table" then backoff = { delay = backoff } end
    local pause = tried > 0 and tonumber(backoff.delay) or 0
    if backoff.type == "exponential" then pause = pause * 2 ^ (tried - 1) end
    return tonumber(f[3]) + pause
  end
  return f[1] and tonumber(f[1]) + (tonumber(opts.delay) or 0)
end
local function age(since)
  if since then oldest = math.max(oldest, now - since, 0) end
end

local waiting = call("LLEN", wait)
if waiting > 0 then
  local ends = { call("LINDEX", wait, -1) }
  if waiting > 1 then ends[2] = call("LINDEX", wait, 0) end
  for _, job in ipairs(ends) do
    if string.sub(job, 1, 2) == "0:" then waiting = waiting - 1 else age(readySince(job)) end
  end
end

local ranked = call("ZCARD", prioritized)
if ranked > 0 then
  age(readySince(call("ZRANGE", prioritized, 0, 0)[1]))
  if ranked > 1 then
    local last = call("ZRANGE", prioritized, -1, -1, "WITHSCORES")
    local lowest = math.floor(tonumber(last[2]) / 4294967296) * 4294967296
    age(readySince(call("ZRANGEBYSCORE", prioritized, string.format("%.0f", lowest), "+inf", "LIMIT", 0, 1)[1]))
  end
end

local due, dueSoon = 0, 0
local next = call("ZRANGE", delayed, 0, 0, "WITHSCORES")
if next[1] then
  local till = string.format("%.0f", (now + 1) * 4096 - 1)
  local soon = string.format("%.0f", (now + lookAhead + 1) * 4096 - 1)
  due = call("ZCOUNT", delayed, "-inf", till)
  dueSoon = call("ZCOUNT", delayed, "(" .. till, soon)
  if due > 0 then age(math.floor(tonumber(next[2]) / 4096)) end
end

local m = call("HMGET", meta, "paused", "concurrency", "max", "duration")
local held = m[1] and call("LLEN", paused) or 0
local count, left = 0, 0
if call("EXISTS", limiter) == 1 then
  count, left = tonumber(call("GET", limiter)) or 0, call("PTTL", limiter)
end

local names, holders = {}, {}
local running = call("LLEN", active)
if running > 0 then
  for _, job in ipairs(call("LRANGE", active, 0, cap - 1)) do
    local name = call("HGET", base .. job, "pb") or ""
    if not names[name] then
      names[name] = #holders + 1
      holders[#holders + 1], holders[#holders + 2], holders[#holders + 3] = name, 0, 0
    end
    local at = names[name] + 2 - call("EXISTS", base .. job .. ":lock")
    holders[at] = holders[at] + 1
  end
end

return { now, waiting + ranked + held, due, dueSoon, running, oldest, m[1] and 1 or 0, tonumber(m[2] or -1), tonumber(m[3] or -1),
  tonumber(m[4] or -1), count, left, tonumber(call("GET", id) or -1),
  call("ZCARD", delayed) + call("ZCARD", parents), holders }
`,
};
