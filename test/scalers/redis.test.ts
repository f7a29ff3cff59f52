import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createClient } from "@redis/client";
import { redis } from "../../scalers/redis.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import type { Reading, Result, Session } from "../../src/core/contract.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { readingOf } from "../support/reading.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { needsRedis7 } from "../support/redis-version.ts";

const soon = () => AbortSignal.timeout(30_000);

/** Who puts jobs there. */
function createProducer(url: string, password?: string) {
  const client = createClient({ url, ...(password !== undefined && { password }) });
  client.on("error", () => {});
  return client;
}
type Producer = ReturnType<typeof createProducer>;
type Kind = Omit<ScalerWorld, keyof AsyncDisposable | "settings" | "wrongSettings" | "kill" | "revive" | "freeze">;

/** A world of one kind of key, on a Redis with a password. */
async function startWorld(kindOf: (command: (...words: string[]) => Promise<unknown>) => Kind): Promise<ScalerWorld> {
  const args = ["--requirepass", "pw"];
  const server = await startRedis({ args });
  let producer: Producer = await connect();
  async function connect(): Promise<Producer> {
    const client = createProducer(server.url, "pw");
    await client.connect();
    return client;
  }
  return {
    ...kindOf((...words) => producer.sendCommand(words)),
    settings: { url: server.url, password: "pw" },
    wrongSettings: { url: server.url, password: "wrong" },
    async kill() {
      producer.destroy();
      await server.kill9();
    },
    async revive() {
      await server.restart();
      producer = await connect();
    },
    freeze: (on) => (on ? server.stopProcess() : server.contProcess()),
    async [Symbol.asyncDispose]() {
      producer.destroy();
      await server.stop();
    },
  };
}

const jobs = (count: number): string[] => Array.from({ length: count }, (_, i) => `job-${Math.random()}-${i}`);

testScaler({
  title: "redis, of a list",
  scaler: redis,
  broker: redisBroker,
  start: () =>
    startWorld((command) => ({
      absent: "empty",
      query: (key) => ({ list: { key, processing: [`${key}:processing`, `${key}:other`] } }),
      put: async (key, count) => void (await command("LPUSH", key, ...jobs(count))),
      take: async (key, count) => {
        for (let i = 0; i < count; i++) await command("LMOVE", key, `${key}:processing`, "RIGHT", "LEFT");
      },
      spoil: async (key) => void (await command("SET", key, "text")),
    })),
});

testScaler({
  title: "redis, of a stream",
  scaler: redis,
  broker: redisBroker,
  start: () =>
    startWorld((command) => ({
      absent: "missing",
      query: (key) => ({ stream: { key, group: "workers" } }),
      make: async (key) => void (await command("XGROUP", "CREATE", key, "workers", "0", "MKSTREAM")),
      put: async (key, count) => {
        for (const job of jobs(count)) await command("XADD", key, "*", "job", job);
      },
      take: async (key, count) =>
        void (await command("XREADGROUP", "GROUP", "workers", "mails-1", "COUNT", String(count), "STREAMS", key, ">")),
      spoil: async (key) => void (await command("SET", key, "text")),
    })),
});

testScaler({
  title: "redis, of a sorted set by time",
  scaler: redis,
  broker: redisBroker,
  start: () =>
    startWorld((command) => {
      const add = async (key: string, count: number, score: number) =>
        void (await command("ZADD", key, ...jobs(count).flatMap((job) => [String(score), job])));
      return {
        absent: "empty",
        query: (key) => ({ sortedSet: { key, upTo: "now", unit: "s" } }),
        put: (key, count) => add(key, count, Date.now() / 1000 - 1),
        delay: (key, count, ms) => add(key, count, (Date.now() + ms) / 1000),
        spoil: async (key) => void (await command("SADD", key, "member")),
      };
    }),
});

describe("the scaler redis", () => {
  let server: TestRedis;
  let session: Session<RedisReader>;
  let producer: Producer;
  const command = (...words: string[]) => producer.sendCommand(words);
  before(async () => {
    server = await startRedis();
    session = await redisBroker.open({ url: server.url }, soon());
    producer = createProducer(server.url);
    await producer.connect();
  });
  after(async () => {
    producer.destroy();
    session.destroy();
    await server.stop();
  });
  beforeEach(() => command("FLUSHALL"));

  const outcome = async (query: unknown): Promise<Result> =>
    (await redis.read(session.client, [redis.query.parse(query) as never], soon()))[0] as Result;
  const read = (query: unknown): Promise<Reading> => readingOf(() => outcome(query));

  it("wants exactly one kind of key, and knows of each what it will see", () => {
    const refused = (query: unknown) => assert.equal(redis.query.safeParse(query).success, false, JSON.stringify(query));
    for (const bad of [
      {},
      { list: { key: "a" }, set: { key: "b" } },
      { list: {} },
      { list: { key: "" } },
      { zset: { key: "a" } },
    ])
      refused(bad);
    refused({ stream: { key: "a" } });
    refused({ list: { key: "a", processing: [] } });
    refused({ sortedSet: { key: "a", upTo: 5 } });
    refused({ sortedSet: { key: "a", upTo: "now", upToScore: 5 } });
    const sight = (query: unknown) => {
      const { running, workers } = redis.sight(redis.query.parse(query) as never);
      return { running, workers };
    };
    assert.deepEqual(sight({ list: { key: "a" } }), { running: false, workers: false });
    assert.deepEqual(sight({ list: { key: "a", processing: ["b"] } }), { running: true, workers: false });
    assert.deepEqual(sight({ stream: { key: "a", group: "g" } }), { running: true, workers: true });
  });

  it("counts members of sets, fields of hashes, members of sorted sets, all or up to a score", async () => {
    await command("SADD", "s", "a", "b");
    await command("HSET", "h", "a", "1", "b", "2", "c", "3");
    await command("ZADD", "z", "1", "a", "2.5", "b", "9", "c");
    assert.equal((await read({ set: { key: "s" } })).waiting, 2);
    assert.equal((await read({ hash: { key: "h" } })).waiting, 3);
    assert.equal((await read({ sortedSet: { key: "z" } })).waiting, 3);
    assert.equal((await read({ sortedSet: { key: "z", upToScore: 2.5 } })).waiting, 2);
    for (const kind of ["set", "hash", "sortedSet"]) assert.equal((await read({ [kind]: { key: "none" } })).waiting, 0);
  });

  it("reads scores that are times in ms too, and tells how long the oldest is due", async () => {
    const now = Date.now();
    await command("ZADD", "z", String(now - 4000), "a", String(now + 10_000), "b", String(now + 100_000), "c");
    const { waiting, dueSoon, oldestMs } = await read({ sortedSet: { key: "z", upTo: "now" } });
    assert.deepEqual({ waiting, dueSoon }, { waiting: 1, dueSoon: 1 });
    assert.ok(oldestMs !== undefined && oldestMs >= 4000 && oldestMs < 60_000);
    assert.equal((await read({ sortedSet: { key: "z", upTo: "now", lookAhead: "2m" } })).dueSoon, 2);
  });

  it("does not take a list's length for what runs, where no list of jobs in hand is given", async () => {
    await command("LPUSH", "l", "a");
    assert.equal((await read({ list: { key: "l" } })).running, undefined);
    await command("LPUSH", "p", "a", "b");
    assert.equal((await read({ list: { key: "l", processing: ["p", "none"] } })).running, 2);
  });

  it("names the consumers of a group and what each has in hand, and counts what was added and what is done", async () => {
    await command("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM");
    for (let i = 0; i < 5; i++) await command("XADD", "x", "*", "job", String(i));
    const taken = (await command("XREADGROUP", "GROUP", "g", "mails-1", "COUNT", "2", "STREAMS", "x", ">")) as unknown as Record<
      string,
      [[string]]
    >;
    await command("XREADGROUP", "GROUP", "g", "mails-2", "COUNT", "1", "STREAMS", "x", ">");
    await command("XGROUP", "CREATECONSUMER", "x", "g", "mails-3");
    await command("XACK", "x", "g", taken["x"]?.[0]?.[0] ?? "");
    const { waiting, running, enqueued, finished, workers, sampledAt } = await read({ stream: { key: "x", group: "g" } });
    const counters = needsRedis7 ? { enqueued: undefined, finished: undefined } : { enqueued: 5, finished: 1 };
    assert.deepEqual({ waiting, running, enqueued, finished }, { waiting: 2, running: 2, ...counters });
    assert.deepEqual(
      workers,
      [1, 1, 0].map((busy, i) => ({ id: `mails-${i + 1}`, busy, seenAt: sampledAt })),
    );
  });

  it("counts what a group has not read where Redis lost the count: after XDEL, and for a group made in mid-stream", async () => {
    await command("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM");
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) ids.push(String(await command("XADD", "x", "*", "job", String(i))));
    await command("XDEL", "x", ids[3] ?? "");
    await command("XGROUP", "CREATE", "x", "mid", ids[1] ?? "");
    assert.equal((await read({ stream: { key: "x", group: "g" } })).waiting, 5);
    const mid = await read({ stream: { key: "x", group: "mid" } });
    assert.equal(mid.waiting, 3);
    assert.equal(mid.finished, undefined, "unknown, not zero");
  });

  it("sees nothing waiting in a stream that keeps its entries after all are read", async () => {
    await command("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM");
    for (let i = 0; i < 3; i++) await command("XADD", "x", "*", "job", String(i));
    await command("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">");
    const { waiting, running, oldestMs } = await read({ stream: { key: "x", group: "g" } });
    assert.deepEqual({ waiting, running, oldestMs }, { waiting: 0, running: 3, oldestMs: undefined });
    assert.equal(Number(await command("XLEN", "x")), 3);
  });

  it("names the stream or the group that does not exist", async () => {
    await command("XADD", "x", "*", "job", "1");
    for (const [key, message] of [
      ["none", /no stream none/],
      ["x", /stream x has no group g/],
    ] as const) {
      const result = await outcome({ stream: { key, group: "g" } });
      assert.ok("problem" in result);
      assert.equal(result.problem.kind, "missing");
      assert.match(result.problem.message, message);
    }
  });
});
