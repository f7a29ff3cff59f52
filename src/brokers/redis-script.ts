import { createHash } from "node:crypto";
import type { RedisValue, Script, ScriptQuery } from "./redis-client.ts";

/** A script as Redis gets it, and the name under which Redis keeps it. */
export type Program = Readonly<{ text: string; sha: string }>;

const programs = new WeakMap<Script, Program>();

/**
 * The program that runs a script's body for many queries. Their keys stand in KEYS one after another, so that Redis
 * tracks them; ARGV is a nonce, the shape, and their arguments one after another. It answers with the nonce, the time
 * that it took in µs, and one value per query: an error of one is that value, so that the others are not lost.
 */
export function programOf(script: Script): Program {
  const known = programs.get(script);
  if (known) return known;
  const text = `local began = redis.call('TIME')
local now = began[1] * 1000 + math.floor(began[2] / 1000)
local function query(keys, args)
${script.body}
end
local out = {ARGV[1], 0}
local n, k, a = 2, 0, 2
for count, keyCount, argCount in string.gmatch(ARGV[2], '(%d+):(%d+):(%d+)') do
  keyCount, argCount = tonumber(keyCount), tonumber(argCount)
  for _ = 1, tonumber(count) do
    local keys, args = {}, {}
    for i = 1, keyCount do keys[i] = KEYS[k + i] end
    for i = 1, argCount do args[i] = ARGV[a + i] end
    k, a, n = k + keyCount, a + argCount, n + 1
    local ok, value = pcall(query, keys, args)
    if not ok then
      value = {err = type(value) == 'table' and value.err or tostring(value)}
    elseif value == nil then
      value = false
    end
    out[n] = value
  end
end
local ended = redis.call('TIME')
out[2] = (ended[1] - began[1]) * 1000000 + ended[2] - began[2]
return out
`;
  const program = { text, sha: createHash("sha1").update(text).digest("hex") };
  programs.set(script, program);
  return program;
}

/** The words of one call behind `first`, and where among them its nonce belongs. `chunk` are indices of `queries`. */
export function chunkWords(
  first: readonly string[],
  queries: readonly ScriptQuery[],
  chunk: readonly number[],
): Readonly<{ all: string[]; nonceAt: number }> {
  const keys: string[] = [];
  const args: string[] = [];
  let shape = "";
  let alike = 0;
  let keyCount = -1;
  let argCount = -1;
  for (const index of chunk) {
    const query = queries[index];
    if (query === undefined) continue;
    const ofArgs = query.args?.length ?? 0;
    if (query.keys.length !== keyCount || ofArgs !== argCount) {
      if (alike > 0) shape += `${alike}:${keyCount}:${argCount} `;
      keyCount = query.keys.length;
      argCount = ofArgs;
      alike = 0;
    }
    alike++;
    for (const key of query.keys) keys.push(key);
    if (query.args) for (const arg of query.args) args.push(String(arg));
  }
  if (alike > 0) shape += `${alike}:${keyCount}:${argCount}`;
  return { all: [...first, String(keys.length), ...keys, "", shape, ...args], nonceAt: first.length + 1 + keys.length };
}

/** Whether this is the answer to that question, and to all of it: a lost or an extra reply shifts all later ones. */
export function fits(reply: RedisValue, nonce: string, count: number): reply is readonly RedisValue[] {
  return Array.isArray(reply) && reply[0] === nonce && reply.length === count + 2;
}
