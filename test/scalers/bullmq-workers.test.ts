import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import { bullmq } from "../../scalers/bullmq.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import type { Reading, Session } from "../../src/core/contract.ts";
import { readingOf } from "../support/reading.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { kill, type StartedWorker, startBullmqWorker, until } from "../support/workers/start.ts";

let redis: TestRedis;
let session: Session<RedisReader>;
let producer: ReturnType<typeof createClient>;
let queue: Queue;
let folder: string;
let last: Reading | undefined;
const started: StartedWorker[] = [];

const command = (...words: string[]) => producer.sendCommand(words);

async function read(): Promise<Reading> {
  const queries = [bullmq.query.parse({ queue: "mails" }) as never];
  last = await readingOf(async () => (await bullmq.read(session.client, queries, AbortSignal.timeout(30_000)))[0]);
  return last;
}

/** The reading that fits. */
const reading = (what: string, fits: (reading: Reading) => boolean) =>
  until(
    what,
    async () => {
      const reading = await read();
      return fits(reading) && reading;
    },
    () => last,
  );

const busy = ({ workers }: Reading) => Object.fromEntries((workers ?? []).map(({ id, busy }) => [id, busy]));
const there = (...ids: string[]) =>
  reading(`${ids} are there`, ({ workers }) => ids.every((id) => workers?.some((worker) => worker.id === id)));

function begin(id: string, env: Record<string, string> = {}): StartedWorker {
  const worker = startBullmqWorker(id, {
    REDIS_URL: redis.url,
    QUEUE: "mails",
    WORKTIDE_TEST_JOURNAL: join(folder, "jobs"),
    ...env,
  });
  started.push(worker);
  return worker;
}

async function journal(): Promise<readonly Readonly<{ kind: string; job: string; worker: string; pid: number; t: string }>[]> {
  const text = await readFile(join(folder, "jobs"), "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

before(async () => {
  redis = await startRedis();
  session = await redisBroker.open(redisBroker.settings.parse({ url: redis.url }) as never, AbortSignal.timeout(30_000));
  producer = createClient({ url: redis.url });
  producer.setMaxListeners(0); // one set per Queue
  await producer.connect();
});
after(async () => {
  producer.destroy();
  await session[Symbol.asyncDispose]();
  await redis.stop();
});
beforeEach(async () => {
  await command("FLUSHALL");
  folder = await mkdtemp(join(tmpdir(), "worktide-bullmq-"));
  queue = new Queue("mails", { connection: producer as never });
});
afterEach(async () => {
  await Promise.all(started.splice(0).map(kill));
  await queue.close();
  await rm(folder, { recursive: true });
});

describe("who works on a BullMQ queue", { concurrency: false }, () => {
  test("named workers are told apart by what they have in hand", async () => {
    begin("mails-1-ab12", { CONCURRENCY: "3" });
    begin("mails-2-cd34", { CONCURRENCY: "1" });
    assert.deepEqual(busy(await there("mails-1-ab12", "mails-2-cd34")), { "mails-1-ab12": 0, "mails-2-cd34": 0 });
    await queue.addBulk(Array.from({ length: 6 }, () => ({ name: "job", data: { ms: 600_000 } })));
    const full = await reading("4 run", ({ running }) => running === 4);
    assert.equal(full.waiting, 2);
    assert.deepEqual(busy(full), { "mails-1-ab12": 3, "mails-2-cd34": 1 });
    assert.ok(full.workers?.every(({ seenAt }) => seenAt <= full.sampledAt + 1 && seenAt > full.sampledAt - 30_000));
  });

  test("an idle one among busy ones shows as idle", async () => {
    begin("a", { CONCURRENCY: "1" });
    await there("a");
    await queue.add("job", { ms: 600_000 });
    await reading("it runs", ({ running }) => running === 1);
    begin("b", { CONCURRENCY: "1" });
    assert.deepEqual(busy(await there("b")), { a: 1, b: 0 });
  });

  test("a worker without a name is counted in running, and named nowhere", async () => {
    begin("", { CONCURRENCY: "2" });
    await queue.addBulk([{ ms: 600_000 }, { ms: 600_000 }].map((data) => ({ name: "job", data })));
    // Connections of the workers before are told of for a moment longer.
    await reading("both run, and nobody is named", ({ running, workers }) => running === 2 && workers?.length === 0);
  });

  test("workers of another queue or prefix are not ours", async () => {
    begin("other", { QUEUE: "mail" });
    begin("third", { PREFIX: "bull:x" });
    begin("ours");
    assert.deepEqual(busy(await there("ours")), { ours: 0 });
  });

  test("the job of a worker that was killed runs on until its lock lapses, and then waits though nobody moves it", async () => {
    const doomed = begin("doomed", { LOCK_MS: "1000" });
    await queue.add("job", { ms: 600_000 });
    await reading("it runs", ({ running }) => running === 1);
    await kill(doomed);
    const orphan = await reading("the lock has lapsed", ({ running }) => running === 0);
    assert.deepEqual([orphan.waiting, busy(orphan)], [1, {}]);
    assert.equal(Number(await command("LLEN", "bull:mails:active")), 1, "still where a naive count sees a running job");
  });

  test("a worker that is too busy to renew its lock still has its job in hand", async () => {
    const frozen = begin("frozen", { LOCK_MS: "1000" });
    await queue.add("job", { ms: 600_000 });
    await reading("it runs", ({ running }) => running === 1);
    frozen.signal("SIGSTOP");
    await until("the lock has lapsed", async () => Number(await command("EXISTS", "bull:mails:1:lock")) === 0);
    const stalled = await read();
    assert.deepEqual([stalled.running, stalled.waiting, busy(stalled)], [1, 0, { frozen: 1 }]);
  });

  test("what has ended is counted though finished jobs are removed", async () => {
    begin("w", { CONCURRENCY: "5" });
    await queue.addBulk(Array.from({ length: 20 }, () => ({ name: "job", data: { ms: 5 }, opts: { removeOnComplete: true } })));
    await queue.add("job", {}, { delay: 3_600_000 });
    const { enqueued, running, waiting } = await reading("20 have ended", ({ finished }) => finished === 20);
    assert.deepEqual([enqueued, running, waiting], [21, 0, 0]);
    assert.equal(Number(await command("ZCARD", "bull:mails:completed")), 0);
  });

  test("SIGTERM lets the job in hand end, and the journal accounts for every job once", async () => {
    const worker = begin("w");
    const until = join(folder, "release");
    await queue.addBulk(Array.from({ length: 2 }, () => ({ name: "job", data: { until, ms: 100 } })));
    await reading("one runs", ({ running }) => running === 1);
    worker.signal("SIGTERM");
    await writeFile(until, "");
    await worker.exited;
    const lines = await journal();
    assert.deepEqual(
      lines.map(({ kind, job, worker }) => [kind, job, worker]),
      [
        ["job.start", "1", "w"],
        ["job.end", "1", "w"],
      ],
    );
    assert.equal(lines[0]?.pid, worker.pid);
    assert.equal((await read()).waiting, 1);
  });
});

describe("waking up for BullMQ", () => {
  for (const [what, opts] of [
    ["plain", {}],
    ["prioritized", { priority: 3 }],
    ["delayed", { delay: 1000 }],
  ] as const) {
    test(`a ${what} job wakes at once`, async () => {
      let hints = 0;
      using _ = bullmq.wake?.(session.client, bullmq.query.parse({ queue: "mails" }) as never, () => hints++);
      await read(); // arms
      const before = hints;
      await queue.add("job", {}, opts);
      await until("a hint", async () => hints > before);
    });
  }
});
