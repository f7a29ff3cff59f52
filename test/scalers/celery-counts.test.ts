import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { celery } from "../../scalers/celery.ts";
import type { Reading } from "../../src/core/contract.ts";
import { readingText } from "../../src/core/words.ts";
import { busy, type CeleryLab, names, openCeleryLab, skip } from "../support/workers/celery.ts";
import { kill, until } from "../support/workers/start.ts";

let lab: CeleryLab;

describe("what waits for Celery", { skip, concurrency: false }, () => {
  before(async () => {
    lab = await openCeleryLab();
  });
  after(() => lab.close());
  beforeEach(() => lab.reset());

  test("every priority counts, though each is a list of its own", async () => {
    await lab.produce([{ count: 2 }, { count: 3, priority: 5 }, { priority: 9 }]);
    assert.equal(await lab.count("LLEN", "celery"), 2, "what a naive count sees");
    assert.equal((await lab.read()).waiting, 6);
  });

  test("other priority steps and separators are followed", async () => {
    await lab.command("LPUSH", "mails", "{}");
    await lab.command("LPUSH", "mails:5", "{}", "{}");
    assert.equal((await lab.read({ queues: ["mails"] })).waiting, 1);
    assert.equal((await lab.read({ queues: ["mails"], prioritySteps: [0, 5], separator: ":" })).waiting, 3);
  });

  test("several queues of one trigger are added up, whatever their names", async () => {
    const queues = ["ü ber", "a:b", "{tag}", "🐢"];
    await lab.produce(queues.map((queue) => ({ queue })));
    assert.equal((await lab.read({ queues })).waiting, 4);
    assert.equal((await lab.read()).waiting, 0);
  });

  test("tasks that are not due do not wait, and are seen coming within the look-ahead", async () => {
    await lab.produce([{ count: 3, countdown: 600 }, { countdown: 20 }, {}]);
    assert.equal(await lab.count("LLEN", "celery"), 5, "what a naive count sees");
    const { waiting, dueSoon } = await lab.read();
    assert.deepEqual([waiting, dueSoon], [1, 1]);
    assert.equal((await lab.read({ lookAhead: "1h" })).dueSoon, 4);
  });

  test("a task whose ETA has passed waits since then", async () => {
    const began = performance.now();
    await lab.produce([{ countdown: 1 }]);
    const { oldestMs, oldestIsLeast } = await lab.reading("it is due", ({ waiting }) => waiting === 1);
    assert.ok(oldestMs !== undefined && oldestMs <= performance.now() - began - 1000, String(oldestMs));
    assert.equal(oldestIsLeast, undefined, "its ETA tells");
  });

  test("of a list longer than the sample the share that is asleep is estimated", async () => {
    await lab.produce([{ countdown: 3600 }, {}]);
    const [plain = "", eta = ""] = (await lab.command("LRANGE", "celery", "0", "-1")) as unknown as string[];
    await lab.command("DEL", "celery");
    const mixed = Array.from({ length: 4000 }, (_, i) => (i % 4 === 0 ? eta : plain));
    await lab.command("LPUSH", "celery", ...mixed);
    assert.equal((await lab.read()).waiting, 3000);
  });

  test("large bodies stay in Redis: a reading of them is as small as any", async () => {
    await lab.produce([{}]);
    const [plain = ""] = (await lab.command("LRANGE", "celery", "0", "-1")) as unknown as string[];
    const large = plain.replace('"body": "', `"body": "${"A".repeat(500_000)}`);
    for (let i = 0; i < 40; i++) await lab.command("LPUSH", "celery", large);
    await lab.read();
    const sent = async () => Number(/total_net_output_bytes:(\d+)/.exec(String(await lab.command("INFO", "stats")))?.[1]);
    const before = await sent();
    assert.equal((await lab.read()).waiting, 41);
    assert.ok((await sent()) - before < 100_000, "of 20 MB");
  });

  test("the age is what the producer's header says, and else how long the head has been seen", async () => {
    await lab.produce([{ headers: { enqueued_at: Date.now() / 1000 - 90 } }]);
    const { oldestMs: told = 0, oldestIsLeast } = await lab.read();
    assert.ok(told >= 90_000 && told < 150_000, String(told));
    assert.equal(oldestIsLeast, undefined);
    await lab.reset();
    await lab.produce([{}]);
    assert.equal((await lab.read()).oldestMs, 0);
    const seen = await lab.reading("time passes", ({ oldestMs }) => (oldestMs ?? 0) >= 100);
    assert.equal(seen.oldestIsLeast, true);
    assert.match(readingText(seen), /^1 waiting, oldest at least \d+ ms$/);
  });

  test("a key prefix leads to other lists, other channels and other workers", async () => {
    const prefix = { CELERY_PREFIX: "shop[eu]*:" };
    await lab.produce([{ ms: 600_000, count: 3 }], prefix);
    assert.equal((await lab.read()).waiting, 0);
    assert.equal((await lab.read({ keyPrefix: "shop[eu]*:" })).waiting, 3);
    lab.begin("theirs", ["-c", "1", "--prefetch-multiplier", "1"], prefix);
    const both = ({ running, reserved }: Reading) => running === 1 && reserved === 1;
    const reading = await lab.reading("one runs and one is fetched", both, { keyPrefix: "shop[eu]*:" });
    assert.deepEqual([reading.waiting, busy(reading)], [1, { theirs: 1 }]);
  });

  test("without any worker running is 0, but only once a beat of one would have been heard", async () => {
    const began = performance.now();
    assert.equal((await lab.read()).running, undefined);
    const empty = await lab.reading("nobody has spoken", ({ running }) => running === 0);
    assert.ok(performance.now() - began > 2400);
    assert.deepEqual(empty.workers, []);
  });

  test("a worker that was killed leaves its place in the binding, its tasks in unacked, and is not there", async () => {
    await lab.produce([{ ms: 600_000, count: 6 }]);
    const worker = lab.begin("doomed", ["-c", "1"]);
    await lab.reading("it works, and has all that it may fetch", ({ running, reserved }) => running === 1 && reserved === 4);
    await kill(worker);
    const gone = await lab.reading("its beats are missed", ({ running }) => running === 0);
    assert.deepEqual([names(gone), gone.waiting, gone.reserved], [[], 1, 4]);
    assert.equal(await lab.count("SCARD", "_kombu.binding.celery.pidbox"), 1, "what a naive count takes for a worker");
    const back = await lab.read({ visibilityTimeout: "1s" });
    assert.deepEqual([back.waiting, back.reserved], [5, 0], "past the visibility timeout they need a worker to be put back");
  });

  test("a new task wakes at once, in a list of any priority", async () => {
    let hints = 0;
    using _ = celery.wake?.(lab.client(), lab.query(), () => hints++);
    for (const key of ["celery", "celery\x06\x166"]) {
      await lab.read();
      const before = hints;
      await lab.command("LPUSH", key, "{}");
      await until("a hint", async () => hints > before);
    }
  });
});
