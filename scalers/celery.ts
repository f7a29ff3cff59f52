import { z } from "zod";
import { duration } from "../src/api/duration.ts";
import { setOf, text, whole } from "../src/api/fields.ts";
import { monotonicMs } from "../src/brokers/clock.ts";
import { separator } from "../src/brokers/kombu.ts";
import type { RedisReader, ScriptAnswer, ScriptQuery } from "../src/brokers/redis-client.ts";
import { BrokerError, type Result, type Scaler } from "../src/core/contract.ts";
import { type Crew, crewOf, nodeById } from "./celery/crew.ts";
import { type Fleet, fleetOf, refresh } from "./celery/fleet.ts";
import { setQuiet } from "./celery/quiet.ts";
import { type ListNumbers, listsScript, type UnackedNumbers, unackedScript } from "./celery/script.ts";
import { firstSeen, type Held, heldOf, routes, waitingIn } from "./celery/tasks.ts";

const query = z.strictObject({
  queues: setOf(text(512))
    .min(1)
    .max(100)
    .default(["celery"])
    .describe("Names of the queues that the workers of this pool work on, all of them. Example: `[celery, mails]`."),
  prioritySteps: setOf(whole(0, 255))
    .min(1)
    .max(16)
    .default([0, 3, 6, 9])
    .describe("The transport option `priority_steps`: each step is a list of its own. Example: `[0, 5]`."),
  separator: text(16)
    .default(separator)
    .describe("The transport option `sep`, between a queue's name and its step. Example: `:`."),
  keyPrefix: text(512, 0).default("").describe("The transport option `global_keyprefix`. Example: `shop:`."),
  visibilityTimeout: duration({ min: "1s", max: "720h" })
    .prefault("1h")
    .describe("The transport option `visibility_timeout`: when tasks of a worker that died are due again. Example: `12h`."),
  lookAhead: duration({ min: "0s", max: "1h" })
    .prefault("30s")
    .describe("Tasks with an ETA or countdown that are due within this time are seen coming. Example: `10s`."),
});
type Query = z.output<typeof query>;

/**
 * Celery on Redis. Tasks in hand stand in no key (Celery acknowledges them as they begin), so they come from the
 * workers: heartbeats, and remote control where these are off. Both are on by default; with both off a worker is not seen.
 * Name the nodes after their processes (`-n ${WORKTIDE_WORKER_ID}@%h`).
 *
 * Beyond reading, the user of Redis needs `+publish +psubscribe +sadd +srem +rpop +del`, the keys
 * `~<prefix>_kombu.binding.reply.celery.pidbox` and `~<prefix>*.reply.celery.pidbox`, and to the letter the channels
 * `&<prefix>/<db>.celeryev/worker.*` and `&<prefix>/<db>.celery.pidbox`. Without them what waits is known, and what runs is not.
 */
export const celery: Scaler<Query, RedisReader> = {
  type: "celery",
  summary: "Queues of Celery on Redis: every priority, tasks with an ETA, fetched and running ones, and which worker is busy.",
  broker: "redis",
  query,
  everyMs: 1000,
  sight: () => ({ running: true, workers: true }),

  async read(client, queries, signal) {
    const shared = new Map(queries.map((query) => [shareKey(query), query]));
    const [lists, unacked, fleets] = await Promise.all([
      client.evaluate(listsScript, queries.map(listsQuestion), signal),
      client.evaluate(unackedScript, [...shared.values()].map(unackedQuestion), signal),
      freshFleets(client, new Set(queries.map(({ keyPrefix }) => keyPrefix)), signal),
    ]);
    const held = new Map([...shared.keys()].map((key, i) => [key, unacked[i]]));
    const ask = async (query: Query, i: number) =>
      toResult(client, query, lists[i], held.get(shareKey(query)), fleets.get(query.keyPrefix), signal);
    return await Promise.all(queries.map(ask));
  },

  wake(client, query, hint, signal) {
    client.onChange(listKeys(query), hint, signal);
  },

  async quiet(client, query, worker, on, signal) {
    const fleet = await fleetOf(client, query.keyPrefix, signal);
    let node = nodeById(fleet, worker);
    if (node === undefined) {
      await refresh(client, fleet, signal);
      node = nodeById(fleet, worker);
    }
    if (node === undefined) throw new BrokerError({ kind: "missing", message: `no worker ${worker} has been heard` });
    await setQuiet(client, fleet, node, on, query.queues, signal);
  },
};

const shareKey = ({ keyPrefix, visibilityTimeout }: Query) => JSON.stringify([keyPrefix, visibilityTimeout]);

function listKeys({ queues, prioritySteps, separator, keyPrefix }: Query): readonly string[] {
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
        const fleet = await fleetOf(client, prefix, signal);
        await refresh(client, fleet, signal);
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
      epoch: lists.epoch,
      sampledAt: Math.min(lists.sampledAt, unacked.sampledAt),
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
  if (crew === undefined || !crew.complete) return { orphans: 0 };
  const { running, workers, finished } = crew;
  const orphans = workers.length === 0 ? held.overdue : 0;
  const reserved = Math.max(0, held.awake - (late ? running : 0) - orphans);
  return { orphans, running, reserved, workers, ...(finished !== undefined && { finished }) };
}
