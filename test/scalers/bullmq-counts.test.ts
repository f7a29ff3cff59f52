import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { createClient } from "@redis/client";
import { FlowProducer, Queue } from "bullmq";
import { bullmq } from "../../scalers/bullmq.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import type { Reading, Session } from "../../src/core/contract.ts";
import { readingOf } from "../support/reading.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { until } from "../support/workers/start.ts";

let redis: TestRedis;
let session: Session<RedisReader>;
let producer: ReturnType<typeof createClient>;

const soon = () => AbortSignal.timeout(30_000);
const command = (...words: string[]) => producer.sendCommand(words);

function read(query: Record<string, unknown> = {}): Promise<Reading> {
  const queries = [bullmq.query.parse({ queue: "mails", ...query }) as never];
  return readingOf(async () => (await bullmq.read(session.client, queries, soon()))[0]);
}

async function withQueue<T>(work: (queue: Queue) => Promise<T>, name = "mails", options: { prefix?: string } = {}): Promise<T> {
  const queue = new Queue(name, { connection: producer as never, ...options });
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}

before(async () => {
  redis = await startRedis();
  session = await redisBroker.open(redisBroker.settings.parse({ url: redis.url }) as never, soon());
  producer = createClient({ url: redis.url });
  producer.setMaxListeners(0); // one set per Queue
  await producer.connect();
});
after(async () => {
  producer.destroy();
  await session[Symbol.asyncDispose]();
  await redis.stop();
});
beforeEach(() => command("FLUSHALL"));

describe("what waits in a BullMQ queue", () => {
  test("nothing waits in a queue that nobody has made", async () => {
    const { waiting, dueSoon, running, workers, oldestMs, enqueued } = await read();
    assert.deepEqual(
      { waiting, dueSoon, running, workers, oldestMs, enqueued },
      { waiting: 0, dueSoon: 0, running: 0, workers: [], oldestMs: undefined, enqueued: undefined },
    );
  });

  test("prioritized jobs wait too, though the wait list is empty", () =>
    withQueue(async (queue) => {
      await queue.addBulk([1, 5, 9].map((priority) => ({ name: "job", data: {}, opts: { priority } })));
      assert.equal(Number(await command("LLEN", "bull:mails:wait")), 0);
      assert.equal((await read()).waiting, 3);
    }));

  test("delayed jobs that are due wait, though without workers nobody moves them", () =>
    withQueue(async (queue) => {
      await queue.add("job", {}, { delay: 1 });
      await queue.add("job", {}, { delay: 20_000 });
      await queue.add("job", {}, { delay: 3_600_000 });
      const reading = await until("the first job is due", async () => {
        const reading = await read();
        return reading.waiting === 1 && reading;
      });
      assert.equal(reading.dueSoon, 1);
      assert.ok((reading.oldestMs ?? -1) >= 0);
      assert.equal(Number(await command("LLEN", "bull:mails:wait")), 0);
    }));

  test("the look-ahead says which delayed jobs are seen coming", () =>
    withQueue(async (queue) => {
      await queue.add("job", {}, { delay: 20_000 });
      assert.equal((await read({ lookAhead: "10s" })).dueSoon, 0);
      assert.equal((await read({ lookAhead: "21s" })).dueSoon, 1);
    }));

  test("a parent that waits for its children is no demand", async () => {
    const flows = new FlowProducer({ connection: producer as never });
    await flows.add({ name: "parent", queueName: "mails", children: [{ name: "child", queueName: "other" }] });
    assert.equal((await read()).waiting, 0);
    assert.equal((await read({ queue: "other" })).waiting, 1);
    await flows.close();
  });

  test("a marker of an older version is no job", async () => {
    await command("LPUSH", "bull:mails:wait", "0:1700000000000");
    assert.equal((await read()).waiting, 0);
    await command("LPUSH", "bull:mails:wait", "7");
    assert.equal((await read()).waiting, 1);
  });

  test("names with spaces, letters beyond ASCII and braces, and other prefixes, are found", async () => {
    for (const name of ["ü ber", "{tag}", "a*?[b]", "🐢"]) {
      await withQueue((queue) => queue.add("job", {}), name, { prefix: "shop:eu" });
      assert.equal((await read({ queue: name, prefix: "shop:eu" })).waiting, 1, name);
      assert.equal((await read({ queue: name })).waiting, 0, name);
    }
  });

  test("a queue name with a colon is refused, as BullMQ does", () => {
    assert.throws(() => new Queue("a:b", { connection: producer as never }));
    assert.equal(bullmq.query.safeParse({ queue: "a:b" }).success, false);
  });

  test("one key of a wrong type fails its own queue only", () =>
    withQueue(async (queue) => {
      await queue.add("job", {});
      await command("SET", "bull:broken:wait", "text");
      const queries = ["broken", "mails"].map((queue) => bullmq.query.parse({ queue }) as never);
      const [broken, whole] = await bullmq.read(session.client, queries, soon());
      assert.ok(broken && "problem" in broken);
      assert.equal(broken.problem.kind, "invalid");
      assert.ok(whole && "reading" in whole && whole.reading.waiting === 1);
    }));

  test("reading writes nothing", () =>
    withQueue(async (queue) => {
      await command("LPUSH", "bull:mails:wait", "0:1700000000000");
      await queue.add("job", {}, { delay: 1 });
      const writes = async () => /rdb_changes_since_last_save:(\d+)/.exec(String(await command("INFO", "persistence")))?.[1];
      const before = await writes();
      await read();
      await read();
      assert.equal(await writes(), before);
    }));
});

describe("limits of a BullMQ queue", () => {
  test("a paused queue keeps its jobs in wait, and its ceiling is 0", () =>
    withQueue(async (queue) => {
      await queue.add("job", {});
      await queue.pause();
      assert.equal(Number(await command("LLEN", "bull:mails:wait")), 1);
      const paused = await read();
      assert.deepEqual([paused.waiting, paused.ceiling, paused.ceilingReason], [1, 0, "paused"]);
      await queue.resume();
      assert.equal((await read()).ceiling, undefined);
    }));

  test("the paused list of versions before 6 is seen while the queue is paused", async () => {
    await command("LPUSH", "bull:mails:paused", "1", "2");
    await command("HSET", "bull:mails:meta", "paused", "1");
    const { waiting, ceiling } = await read();
    assert.deepEqual([waiting, ceiling], [2, 0]);
    await command("HDEL", "bull:mails:meta", "paused");
    assert.equal((await read()).waiting, 0, "no worker takes from it");
  });

  test("a global concurrency is a ceiling", () =>
    withQueue(async (queue) => {
      await queue.setGlobalConcurrency(4);
      const { ceiling, ceilingReason } = await read();
      assert.deepEqual([ceiling, ceilingReason], [4, "global concurrency 4"]);
    }));

  test("a rate limit that is used up until after the look-ahead leaves what runs", () =>
    withQueue(async (queue) => {
      await queue.setGlobalRateLimit(5, 600_000);
      await command("SET", "bull:mails:limiter", "5", "PX", "600000");
      const { ceiling, ceilingReason } = await read();
      assert.deepEqual([ceiling, ceilingReason], [0, "rate limit 5 per 600 s"]);
    }));

  test("a rate limit whose next window opens within the look-ahead lets its jobs begin", () =>
    withQueue(async (queue) => {
      await queue.setGlobalRateLimit(5, 600_000);
      await command("SET", "bull:mails:limiter", "5", "PX", "600000");
      assert.equal((await read({ lookAhead: "1h" })).ceiling, 5);
    }));

  test("the lowest of several limits counts", () =>
    withQueue(async (queue) => {
      await queue.setGlobalRateLimit(50, 1000);
      await queue.setGlobalConcurrency(2);
      assert.equal((await read()).ceiling, 2);
    }));
});

describe("the age of the oldest job", () => {
  /** As BullMQ would have stored it so long ago. */
  const store = (id: string, ageMs: number, fields: Record<string, string> = {}) =>
    command(
      "HSET",
      `bull:mails:${id}`,
      ...Object.entries({ timestamp: String(Date.now() - ageMs), opts: "{}", ...fields }).flat(),
    );
  /** It grows while the test is under way; what a naive reading would say is further off. */
  const near = (actual: number | undefined, expected: number) =>
    assert.ok(
      actual !== undefined && actual > expected - 500 && actual < expected + 15_000,
      `${actual} is not about ${expected}`,
    );

  test("counts from the moment it was ready, not from the moment it was made", async () => {
    await store("1", 60_000, { opts: '{"delay":50000,"backoff":{"type":"fixed","delay":7}}' });
    await command("LPUSH", "bull:mails:wait", "1");
    near((await read()).oldestMs, 10_000);
  });

  test("of a retried job counts from its last attempt and back-off", async () => {
    await store("1", 600_000, {
      ats: "2",
      atm: "2",
      processedOn: String(Date.now() - 30_000),
      opts: '{"attempts":9,"backoff":{"type":"exponential","delay":10000}}',
    });
    await command("LPUSH", "bull:mails:wait", "1");
    near((await read()).oldestMs, 10_000);
  });

  test("is found behind jobs of a higher priority", async () => {
    await store("1", 90_000);
    await store("2", 1000);
    await store("3", 500);
    await command(
      "ZADD",
      "bull:mails:prioritized",
      String(9 * 2 ** 32 + 1),
      "1",
      String(9 * 2 ** 32 + 2),
      "2",
      String(2 ** 32 + 3),
      "3",
    );
    near((await read()).oldestMs, 90_000);
  });

  test("is found behind jobs that jumped the queue", async () => {
    await store("1", 90_000);
    await store("2", 1000);
    await store("3", 500);
    await command("RPUSH", "bull:mails:wait", "1", "2", "3");
    near((await read()).oldestMs, 90_000);
  });

  test("of a job from the future is 0", async () => {
    await store("1", -60_000);
    await command("LPUSH", "bull:mails:wait", "1");
    assert.equal((await read()).oldestMs, 0);
  });
});
