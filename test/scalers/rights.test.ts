import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createClient } from "@redis/client";
import { bullmq } from "../../scalers/bullmq.ts";
import { celery } from "../../scalers/celery.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import type { AnyScaler, Reading, Session } from "../../src/core/contract.ts";
import { readingOf } from "../support/reading.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

// Rights that the broker itself asks for: src/brokers/redis.ts.
const reading = [
  "~*",
  "+@read",
  "+evalsha_ro",
  "+script|load",
  "+time",
  "+client|tracking",
  "+client|caching",
  "+info",
  "+ping",
  "+echo",
  "+hello",
];
const noPlace = "resetchannels";

let redis: TestRedis;
let admin: ReturnType<typeof createClient>;

async function withRights<T>(rights: readonly string[], work: (session: Session<RedisReader>) => Promise<T>): Promise<T> {
  const [user, password] = [`user-${randomUUID()}`, randomUUID()];
  await admin.sendCommand(["ACL", "SETUSER", user, "on", `>${password}`, noPlace, ...reading, ...rights]);
  const settings = { ...redisBroker.settings.parse({ url: redis.url }), username: user, password };
  const session = await redisBroker.open(settings as never, AbortSignal.timeout(30_000));
  try {
    return await work(session);
  } finally {
    await session[Symbol.asyncDispose]();
  }
}

function read(scaler: AnyScaler, session: Session<RedisReader>, query: unknown): Promise<Reading> {
  const queries = [scaler.query.parse(query)];
  return readingOf(async () => (await scaler.read(session.client, queries, AbortSignal.timeout(30_000)))[0]);
}

describe("a user of Redis with few rights", () => {
  before(async () => {
    redis = await startRedis();
    admin = createClient({ url: redis.url });
    await admin.connect();
    await admin.lPush("celery", "{}");
    await admin.lPush("bull:mails:wait", "1");
    await admin.lPush("bull:mails:active", "2");
  });
  after(async () => {
    admin.destroy();
    await redis.stop();
  });

  test("without CLIENT LIST the jobs of BullMQ are counted, and nobody is named", () =>
    withRights([], async (session) => {
      for (let i = 0; i < 2; i++) {
        const { waiting, running, workers } = await read(bullmq, session, { queue: "mails" });
        assert.deepEqual({ waiting, running, workers }, { waiting: 1, running: 1, workers: undefined });
      }
    }));

  test("with it the workers of BullMQ are told, and a job that lost its lock waits", () =>
    withRights(["+client|list"], async (session) => {
      const { waiting, running, workers } = await read(bullmq, session, { queue: "mails" });
      assert.deepEqual({ waiting, running, workers }, { waiting: 2, running: 0, workers: [] });
    }));

  test("without channels the tasks of Celery are counted, and what runs is not known", () =>
    withRights([], async (session) => {
      for (let i = 0; i < 2; i++) {
        const { waiting, running, workers } = await read(celery, session, {});
        assert.deepEqual({ waiting, running, workers }, { waiting: 1, running: undefined, workers: undefined });
      }
    }));

  test("with the rights that the scaler names, nobody there is known after the time of a beat", () => {
    const rights = ["+publish", "+psubscribe", "+sadd", "+srem", "+rpop", "+del", "&/0.celeryev/worker.*", "&/0.celery.pidbox"];
    return withRights(rights, async (session) => {
      const end = performance.now() + 60_000;
      while ((await read(celery, session, {})).running !== 0) {
        assert.ok(performance.now() < end);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
  });
});
