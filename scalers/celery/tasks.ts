import { monotonicMs } from "../../src/brokers/clock.ts";
import { bindingKey, bindingTakes, type KombuPlace } from "../../src/brokers/kombu.ts";
import { patiently } from "../../src/brokers/patience.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import type { ListNumbers, UnackedNumbers } from "./script.ts";

/** Tasks by when they may begin: now, within the look-ahead, later. */
export type Times = Readonly<{ due: number; soon: number; later: number; oldestMs: number }>;

/** Sorts ETAs (ISO 8601; without a zone they are UTC, Celery's default). One that cannot be read counts as due. */
function sortEtas(etas: readonly string[], now: number, lookAhead: number): Times {
  let [due, soon, later, oldestMs] = [0, 0, 0, -1];
  for (const eta of etas) {
    const at = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(eta) ? eta : `${eta}Z`);
    if (at > now + lookAhead) later++;
    else if (at > now) soon++;
    else {
      due++;
      oldestMs = Math.max(oldestMs, now - at || 0);
    }
  }
  return { due, soon, later, oldestMs };
}

/**
 * What waits in the lists of a trigger's queues. Of a long list it is an estimate from both ends. The age is the least that
 * it can be where some list's next message does not say when it was sent.
 */
export function waitingIn(
  lists: readonly ListNumbers[],
  ageOf: (list: number, tag: string) => number,
  now: number,
  lookAhead: number,
) {
  const sum = { waiting: 0, soon: 0, oldestMs: -1, oldestIsLeast: false };
  for (const [i, [length, seen, etas, tag, enqueuedAt]] of lists.entries()) {
    const { soon, later, oldestMs } = sortEtas(etas, now, lookAhead);
    const scale = seen > 0 ? length / seen : 0;
    sum.waiting += length - Math.round((soon + later) * scale);
    sum.soon += Math.round(soon * scale);
    const enqueued = timeOf(enqueuedAt);
    const age = tag === "" ? -1 : enqueued === undefined ? ageOf(i, tag) : Math.max(0, now - enqueued);
    sum.oldestMs = Math.max(sum.oldestMs, oldestMs, age);
    sum.oldestIsLeast ||= tag !== "" && enqueued === undefined;
  }
  return sum;
}

/** A time as producers write it: seconds or ms since 1970, or ISO 8601. */
function timeOf(text: string): number | undefined {
  if (text === "" || text === "null") return undefined;
  const count = Number(text);
  const at = Number.isNaN(count) ? Date.parse(text) : count < 1e11 ? count * 1000 : count;
  return Number.isNaN(at) ? undefined : at;
}

/** How long the same message has been seen as the next one of its list: the least that its age can be, ms. */
export function firstSeen(client: RedisReader, list: string, tag: string): number {
  const known = heads.get(client) ?? new Map<string, Readonly<{ tag: string; at: number }>>();
  heads.set(client, known);
  const head = known.get(list);
  if (head?.tag === tag) return monotonicMs() - head.at;
  known.set(list, { tag, at: monotonicMs() });
  return 0;
}

const heads = new WeakMap<RedisReader, Map<string, Readonly<{ tag: string; at: number }>>>();

/** What workers have fetched from these queues and not acknowledged. */
export type Held = Readonly<{ awake: number; soon: number; later: number; overdue: number }>;

/** `unacked` is shared by all queues of a database and key prefix: this is the part of these, scaled up from the sample. */
export function heldOf(
  [total, seen, overdue, groups, now]: UnackedNumbers,
  queueOf: (route: string) => string | undefined,
  queues: ReadonlySet<string>,
  lookAhead: number,
): Held {
  let [awake, soon, later] = [0, 0, 0];
  for (const [route, plain, etas] of groups) {
    if (!queues.has(queueOf(route) ?? "")) continue;
    const times = sortEtas(etas, now, lookAhead);
    awake += plain + times.due;
    soon += times.soon;
    later += times.later;
  }
  const scale = seen > 0 ? total / seen : 0;
  const ours = seen > 0 ? (awake + soon + later) / seen : 0;
  const whole = (count: number) => Math.round(count * scale);
  return { awake: whole(awake), soon: whole(soon), later: whole(later), overdue: Math.round(overdue * ours) };
}

const bindingsMs = 30_000;
const tables = new WeakMap<RedisReader, Map<string, { at: number; members: readonly string[] }>>();

/**
 * Which queue a route (`"exchange", "routing key"`) leads to. Celery publishes to the nameless exchange by default, where
 * the routing key is the queue; other exchanges have a table of bindings, read at most every 30 s.
 */
export async function routes(client: RedisReader, place: KombuPlace, wanted: readonly string[], signal: AbortSignal) {
  const known = tables.get(client) ?? new Map<string, { at: number; members: readonly string[] }>();
  tables.set(client, known);
  const parsed = new Map(wanted.map((route) => [route, parseRoute(route)]));
  const exchanges = new Set([...parsed.values()].map(([exchange]) => exchange).filter((exchange) => exchange !== ""));
  await Promise.all(
    [...exchanges].map(async (exchange) => {
      const key = bindingKey(place, exchange);
      const now = monotonicMs();
      if (now - (known.get(key)?.at ?? Number.NEGATIVE_INFINITY) < bindingsMs) return;
      const members = await client.command(["SMEMBERS", key], signal, key);
      known.set(key, { at: now, members: Array.isArray(members) ? members.map(String) : [] });
    }),
  );
  return (route: string): string | undefined => {
    const [exchange, routingKey] = parsed.get(route) ?? parseRoute(route);
    if (exchange === "") return routingKey;
    const members = known.get(bindingKey(place, exchange))?.members ?? [];
    const find = () =>
      members
        .values()
        .map((member) => bindingTakes(member, routingKey))
        .find((queue) => queue !== undefined) ?? routingKey;
    return patiently(route, find) ?? routingKey;
  };
}

function parseRoute(route: string): readonly [exchange: string, routingKey: string] {
  try {
    const [exchange, routingKey] = JSON.parse(`[${route}]`) as readonly unknown[];
    return [String(exchange ?? ""), String(routingKey ?? "")];
  } catch {
    return ["", ""];
  }
}
