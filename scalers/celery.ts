import { z } from "zod";
import { duration } from "../src/api/duration.ts";
import { setOf, text, whole } from "../src/api/fields.ts";
import { separator } from "../src/brokers/kombu.ts";
import type { RabbitReader } from "../src/brokers/rabbitmq-client.ts";
import type { RedisReader } from "../src/brokers/redis-client.ts";
import { BrokerError, type Scaler } from "../src/core/contract.ts";
import { amqpPost } from "./celery/amqp-post.ts";
import { nodeById } from "./celery/crew.ts";
import { fleetOf, refresh } from "./celery/fleet.ts";
import { readOnRabbit } from "./celery/on-rabbitmq.ts";
import { listKeys, readOnRedis } from "./celery/on-redis.ts";
import { setQuiet } from "./celery/quiet.ts";
import { redisPost } from "./celery/redis-post.ts";

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
    .describe("Redis only: the transport option `priority_steps`; each step is a list of its own. Example: `[0, 5]`."),
  separator: text(16)
    .default(separator)
    .describe("Redis only: the transport option `sep`, between a queue's name and its step. Example: `:`."),
  keyPrefix: text(512, 0).default("").describe("Redis only: the transport option `global_keyprefix`. Example: `shop:`."),
  visibilityTimeout: duration({ min: "1s", max: "720h" })
    .prefault("1h")
    .describe(
      "Redis only: the transport option `visibility_timeout`; when tasks of a worker that died are due again. Example: `12h`.",
    ),
  lookAhead: duration({ min: "0s", max: "1h" })
    .prefault("30s")
    .describe("Tasks with an ETA or countdown that are due within this time are seen coming. Example: `10s`."),
});
type Query = z.output<typeof query>;

/**
 * Celery on Redis or RabbitMQ. Tasks in hand stand in no key and no count (Celery acknowledges them as they begin), so they
 * come from the workers: heartbeats, and remote control where these are off. Both are on by default; with both off a worker is not seen.
 * Name the nodes after their processes (`-n ${WORKTIDE_WORKER_ID}@%h`).
 *
 * Beyond reading, the user of Redis needs `+publish +psubscribe +sadd +srem +rpop +del`, the keys
 * `~<prefix>_kombu.binding.reply.celery.pidbox` and `~<prefix>*.reply.celery.pidbox`, and to the letter the channels
 * `&<prefix>/<db>.celeryev/worker.*` and `&<prefix>/<db>.celery.pidbox`. Without them what waits is known, and what runs is not.
 * That of RabbitMQ needs the tag `monitoring`, and for `celeryev`, `celery.pidbox`, `reply.celery.pidbox`, `celeryev.*` and
 * `*.reply.celery.pidbox` the rights to configure, write and read.
 */
export const celery: Scaler<Query, RedisReader | RabbitReader> = {
  type: "celery",
  summary:
    "Queues of Celery on Redis or RabbitMQ: every priority, tasks with an ETA, fetched and running ones, and which worker is busy.",
  broker: ["redis", "rabbitmq"],
  query,
  everyMs: 1000,
  sight: () => ({ running: true, workers: true }),

  read: (client, queries, signal) =>
    isRabbit(client) ? readOnRabbit(client, queries, signal) : readOnRedis(client, queries, signal),

  wake(client, query, hint) {
    // RabbitMQ tells nobody that a message has come, but by giving it away.
    return isRabbit(client) ? undefined : client.onChange(listKeys(query), hint);
  },

  async quiet(client, query, worker, on, signal) {
    const post = isRabbit(client) ? amqpPost(client) : redisPost(client, query.keyPrefix);
    const fleet = await fleetOf(post, signal);
    let node = nodeById(fleet, worker);
    if (node === undefined) {
      await refresh(fleet, signal);
      node = nodeById(fleet, worker);
    }
    if (node === undefined) throw new BrokerError({ kind: "missing", message: `no worker ${worker} has been heard` });
    await setQuiet(fleet, node, on, query.queues, signal);
  },
};

const isRabbit = (client: RedisReader | RabbitReader): client is RabbitReader => "survey" in client;
