import { monotonicMs } from "../../src/brokers/clock.ts";
import type { RedisReader, ScriptAnswer, ScriptQuery } from "../../src/brokers/redis-client.ts";
import type { Result } from "../../src/core/contract.ts";
import { type Crew, crewOf } from "./crew.ts";
import { fleetOf, refresh } from "./fleet.ts";
import type { Fleet } from "./node.ts";
import { redisPost } from "./redis-post.ts";
import { type ListNumbers, listsScript, type UnackedNumbers, unackedScript } from "./script.ts";
import { firstSeen, type Held, heldOf, routes, waitingIn } from "./tasks.ts";

type Query = Readonly<{
  queues: readonly string[];
  prioritySteps: readonly number[];
  separator: string;
  keyPrefix: string;
  visibilityTimeout: number;
  lookAhead: number;
}>;

/** Celery on Redis: lists of tasks, `unacked` for what was fetched, and the workers for what runs. */
export async function readOnRedis(
  client: RedisReader,
  queries: readonly Query[],
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const at = monotonicMs();
  const shared = new Map(queries.map((query) => [shareKey(query), query]));
  const [lists, unacked, fleets] = await Promise.all([
    client.evaluate(listsScript, queries.map(listsQuestion), signal),
    client.evaluate(unackedScript, [...shared.values()].map(unackedQuestion), signal),
    freshFleets(client, new Set(queries.map(({ keyPrefix }) => keyPrefix)), signal),
  ]);
  const held = new Map([...shared.keys()].map((key, i) => [key, unacked[i]]));
  const ask = async (query: Query, i: number) =>
    toResult(client, query, lists[i], held.get(shareKey(query)), fleets.get(query.keyPrefix), at, signal);
  return await Promise.all(queries.map(ask));
}

const shareKey = ({ keyPrefix, visibilityTimeout }: Query) => JSON.stringify([keyPrefix, visibilityTimeout]);

export function listKeys({ queues, prioritySteps, separator, keyPrefix }: Query): readonly string[] {
  return queues.flatMap((queue) => prioritySteps.map((step) => keyPrefix + queue + (step === 0 ? "" : separator + step)));
}

const listsQuestion = (query: Query): ScriptQuery => ({ keys: listKeys(query) });

function unackedQuestion({ keyPrefix, visibilityTimeout }: Query): ScriptQuery {
  return { keys: [`${keyPrefix}unacked`, `${keyPrefix}unacked_index`], args: [Math.round(visibilityTimeout / 1000)] };
}

/** The workers of each key prefix; none where Redis does not let us listen or publish: then who runs what is not known. */
async function freshFleets(
  client: RedisReader,
  prefixes: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Fleet>> {
  const fleets = new Map<string, Fleet>();
  await Promise.all(
    [...prefixes].map(async (prefix) => {
      try {
        const fleet = await fleetOf(redisPost(client, prefix), signal);
        await refresh(fleet, signal);
        fleets.set(prefix, fleet);
      } catch {
        // A lost connection fails the questions beside this one, with its reason.
      }
    }),
  );
  return fleets;
}

async function toResult(
  client: RedisReader,
  query: Query,
  lists: ScriptAnswer | undefined,
  unacked: ScriptAnswer | undefined,
  fleet: Fleet | undefined,
  sampledAt: number,
  signal: AbortSignal,
): Promise<Result> {
  if (lists === undefined || unacked === undefined)
    return { problem: { kind: "internal", message: "the queue was left out of the answer" } };
  if ("problem" in lists) return lists;
  if ("problem" in unacked) return unacked;
  const [now, rows] = lists.value as unknown as readonly [number, readonly ListNumbers[]];
  const keys = listKeys(query);
  const ready = waitingIn(rows, (i, tag) => firstSeen(client, keys[i] ?? "", tag), now, query.lookAhead);
  const numbers = unacked.value as unknown as UnackedNumbers;
  const place = { database: client.database, keyPrefix: query.keyPrefix };
  const queueOf = await routes(
    client,
    place,
    numbers[3].map(([route]) => route),
    signal,
  );
  const held = heldOf(numbers, queueOf, new Set(query.queues), query.lookAhead);
  const crew = fleet && crewOf(fleet, new Set(query.queues), monotonicMs());
  const { orphans, ...inHand } = account(held, crew, fleet?.late === true);
  return {
    reading: {
      waiting: ready.waiting + orphans,
      dueSoon: ready.soon + held.soon,
      ...inHand,
      ...(ready.oldestMs >= 0 && { oldestMs: Math.round(ready.oldestMs) }),
      ...(ready.oldestIsLeast && { oldestIsLeast: true }),
      epoch: lists.epoch,
      sampledAt,
    },
  };
}

/**
 * What workers have fetched, told apart:
 *
 * | in `unacked`              | early ack (default)      | late ack                 |
 * |---------------------------|--------------------------|--------------------------|
 * | begun                     | no: only workers know    | yes                      |
 * | fetched ahead, not begun  | yes: reserved            | yes: the rest            |
 * | ETA not due, held         | yes: asleep, no demand   | yes: asleep, no demand   |
 *
 * With no worker there at all, nobody works on any of it: what is past the visibility timeout waits for a worker, which
 * will put it back. The rest comes into that state later.
 */
function account(held: Held, crew: Crew | undefined, late: boolean) {
  if (crew === undefined) return { orphans: 0 };
  const { complete, running, workers, finished } = crew;
  // Not all of them are known, so what runs is not; but what they have fetched has not ended.
  if (!complete) return { orphans: 0, ...(workers.length > 0 && { reserved: held.awake }) };
  const orphans = workers.length === 0 ? held.overdue : 0;
  const reserved = Math.max(0, held.awake - (late ? running : 0) - orphans);
  return { orphans, running, reserved, workers, ...(finished !== undefined && { finished }) };
}
