// The class stands alone in its file: 1 ms and 2.4 MiB to import, where the package's entry costs 60 to 100 ms and
// 24 MiB (every adapter, the cron parser, all scripts). So the key names are BullMQ's own, and measuring stays cheap.
import { QueueKeys } from "bullmq/dist/esm/classes/queue-keys.js";
import { z } from "zod";
import { duration } from "../src/api/duration.ts";
import { text } from "../src/api/fields.ts";
import { monotonicMs } from "../src/brokers/clock.ts";
import type { RedisReader, ScriptAnswer, ScriptQuery } from "../src/brokers/redis-client.ts";
import type { Reading, Result, Scaler, Worker } from "../src/core/contract.ts";
import { holdersCap, type QueueNumbers, queueScript } from "./bullmq/script.ts";
import { connectionName, connections, learnNodes, type Present, workersByQueue } from "./bullmq/workers.ts";

const query = z.strictObject({
  queue: text(512)
    .regex(/^[^:]+$/)
    .meta({ must: "must be the name of a queue: 1 to 512 characters without a colon, which BullMQ does not allow" })
    .describe("Name of the queue, as given to `new Queue(name)`. Example: `mails`."),
  prefix: text(512).default("bull").describe("The option `prefix` of the queue and its workers. Example: `shop`."),
  lookAhead: duration({ min: "0s", max: "1h" })
    .prefault("30s")
    .describe("Delayed jobs that are due within this time are seen coming. Example: `10s`."),
});
type Query = z.output<typeof query>;

/**
 * Queues of BullMQ (v4 to v6). Who is busy is known for workers with a name only: `new Worker(queue, fn, { name })`;
 * the job carries it (`pb`), and so does the worker's connection. BullMQ cannot quiet one worker from outside.
 * Beyond reading, the user of Redis needs `+client|list`: without it who is busy is not known, and how much runs still is.
 *
 * The counters: `id` grows with every job added, whatever its own id. The sets of finished jobs do not grow for ever
 * (removeOnComplete trims them) and metrics are off by default, so what has ended is what was added and is no longer
 * alive. Removed and de-duplicated jobs count as added and ended at once; a job retried by hand counts back by one.
 */
export const bullmq: Scaler<Query, RedisReader> = {
  type: "bullmq",
  summary: "A queue of BullMQ: waiting, prioritized, delayed and running jobs, pauses and limits, and which worker is busy.",
  broker: "redis",
  query,
  everyMs: 1000,
  sight: () => ({ running: true, workers: true }),

  async read(client, queries, signal) {
    if (queries.length === 0) return [];
    const at = monotonicMs();
    const questions = queries.map(asQuestion);
    const waitKeys = questions.map(({ keys }) => keys[0] ?? "");
    // In one flush, and who is there comes first: a worker that arrives in between is not named, so not taken for idle.
    const [present, answers] = await Promise.all([
      connections(client, waitKeys[0] ?? "", signal),
      client.evaluate(queueScript, questions, signal),
    ]);
    learnNodes(client, waitKeys, answers);
    const names = queries.map(({ prefix, queue }) => connectionName(prefix, queue));
    const workers = present && workersByQueue(present, new Set(names));
    return queries.map((query, i) => toResult(query, answers[i], workers?.get(names[i] ?? ""), at));
  },

  wake(client, query, hint) {
    // Not `active`: it changes with every job begun and ended, and no growth depends on it.
    return client.onChange(keysOf(query, ["wait", "prioritized", "delayed", "meta"]), hint);
  },
};

const scriptKeys = ["wait", "active", "prioritized", "delayed", "waiting-children", "paused", "meta", "limiter", "id"];

function keysOf({ prefix, queue }: Query, types: readonly string[]): readonly string[] {
  const keys = new QueueKeys(prefix);
  return types.map((type) => keys.toKey(queue, type));
}

function asQuestion(query: Query): ScriptQuery {
  return { keys: keysOf(query, scriptKeys), args: [...keysOf(query, [""]), query.lookAhead, holdersCap] };
}

function toResult(query: Query, answer: ScriptAnswer | undefined, present: Present | undefined, sampledAt: number): Result {
  if (answer === undefined) return { problem: { kind: "internal", message: "the queue was left out of the answer" } };
  if ("problem" in answer) return answer;
  const numbers = answer.value as unknown as QueueNumbers;
  const [, ready, due, dueSoon, active, oldestMs, , , , , , , added, asleep] = numbers;
  const { workers, lost } = attribute(numbers, present, sampledAt);
  return {
    reading: {
      waiting: ready + due + lost,
      dueSoon,
      running: active - lost,
      ...(oldestMs >= 0 && { oldestMs }),
      ...ceiling(query, numbers),
      ...(added >= 0 && { enqueued: added, finished: Math.max(0, added - ready - active - asleep) }),
      ...(workers && { workers }),
      epoch: answer.epoch,
      sampledAt,
    },
  };
}

/**
 * Whose the jobs in hand are. A job whose lock has lapsed belongs to a worker that died, or that is too busy to renew it:
 * while the worker is connected (or some nameless one is), it counts as running. Otherwise it is lost, and waits for any
 * worker to find it: only workers look for those.
 */
function attribute(numbers: QueueNumbers, present: Present | undefined, sampledAt: number): { workers?: Worker[]; lost: number } {
  const [, , , , active, , , , , , , , , , holders] = numbers;
  if (present === undefined || active > holdersCap) return { lost: 0 };
  const busy = new Map<string, number>([...present.named].map((name) => [name, 0]));
  let lost = 0;
  for (let i = 0; i < holders.length; i += 3) {
    const [name, locked, lapsed] = [String(holders[i]), Number(holders[i + 1]), Number(holders[i + 2])];
    const there = name === "" ? present.unnamed > 0 : present.named.has(name);
    if (!there) lost += lapsed;
    const jobs = locked + (there ? lapsed : 0);
    if (name !== "" && (there || jobs > 0)) busy.set(name, jobs);
  }
  const workers = [...busy].map(([id, jobs]) => ({ id, busy: jobs, seenAt: present.named.has(id) ? present.at : sampledAt }));
  return { workers, lost };
}

/**
 * The lowest limit of the queue. Of a rate limit: what runs, and what the window (or the next one, when it opens within
 * the look-ahead) still lets begin. A limit that a worker brings along itself is not kept in Redis until it is hit.
 */
function ceiling({ lookAhead }: Query, numbers: QueueNumbers): Pick<Reading, "ceiling" | "ceilingReason"> {
  const [, , , , active, , paused, concurrency, rateMax, rateMs, rateCount, rateLeftMs] = numbers;
  if (paused) return { ceiling: 0, ceilingReason: "paused" };
  const limits: { ceiling: number; ceilingReason: string }[] = [];
  if (concurrency >= 0) limits.push({ ceiling: concurrency, ceilingReason: `global concurrency ${concurrency}` });
  if (rateMax >= 0) {
    const more = rateLeftMs <= lookAhead ? rateMax : Math.max(0, rateMax - rateCount);
    limits.push({ ceiling: active + more, ceilingReason: `rate limit ${rateMax} per ${rateMs / 1000} s` });
  } else if (rateCount >= Number.MAX_SAFE_INTEGER && rateLeftMs > lookAhead) {
    // `queue.rateLimit(ms)` and `worker.rateLimit(ms)` hold the queue by a count that no limit reaches.
    limits.push({ ceiling: active, ceilingReason: `held for ${Math.ceil(rateLeftMs / 1000)} s` });
  }
  return limits.sort((a, b) => a.ceiling - b.ceiling)[0] ?? {};
}
