import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Reading } from "../../src/core/contract.ts";
import { busy, type CeleryLab, names, openCeleryLab, skip } from "../support/workers/celery.ts";
import { kill, until } from "../support/workers/start.ts";

let lab: CeleryLab;
const open = async () => {
  lab = await openCeleryLab();
};

describe("what Celery workers have in hand", { skip, concurrency: false }, () => {
  before(open);
  after(() => lab.close());
  beforeEach(() => lab.reset());

  test("running tasks stand in no key, fetched ones in unacked: both are seen, and apart", async () => {
    await lab.produce([{ ms: 600_000, count: 17 }]);
    lab.begin("mails-1-ab12", ["-c", "2"]);
    const reading = await lab.reading(
      "two run, all that it may fetch is fetched, and it has said how many it can do",
      (r) => r.running === 2 && r.reserved === 8 && r.workers?.[0]?.slots !== undefined,
    );
    assert.equal(reading.waiting, 7);
    assert.deepEqual(busy(reading), { "mails-1-ab12": 2 });
    assert.equal(reading.workers?.[0]?.slots, 2);
    assert.equal(reading.workers?.[0]?.host, "test");
    assert.equal((await lab.count("LLEN", "celery")) + (await lab.count("HLEN", "unacked")), 15, "what a naive count sees of 17");
  });

  test("a queue that is empty while its last task runs is not idle", async () => {
    lab.begin("w", ["-c", "1"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.produce([{ ms: 600_000 }]);
    await lab.reading("it runs", ({ running, waiting }) => running === 1 && waiting === 0);
    assert.equal((await lab.count("LLEN", "celery")) + (await lab.count("HLEN", "unacked")), 0, "what a naive count sees");
  });

  test("tasks that are acknowledged late are running ones, not fetched ones", async () => {
    await lab.produce([{ ms: 600_000, count: 4 }]);
    lab.begin("w", ["-c", "2", "--prefetch-multiplier", "1"], { CELERY_ACKS_LATE: "1" });
    const reading = await lab.reading("two run", (r) => r.running === 2 && r.reserved === 0);
    assert.equal(reading.waiting, 2);
    assert.equal(await lab.count("HLEN", "unacked"), 2);
  });

  test("tasks with a distant ETA that a worker holds are neither waiting nor fetched nor running", async () => {
    await lab.produce([{ count: 20, countdown: 600 }]);
    lab.begin("w", ["-c", "1"]);
    await until("it holds them all", async () => (await lab.count("HLEN", "unacked")) === 20);
    const reading = await lab.reading("it is heard", ({ running }) => running === 0);
    assert.deepEqual([reading.waiting, reading.reserved, reading.dueSoon], [0, 0, 0]);
    assert.equal((await lab.read({ lookAhead: "1h" })).dueSoon, 20);
  });

  test("tasks with an ETA that a stopped worker gave back do not wait", async () => {
    await lab.produce([{ count: 20, countdown: 600 }]);
    const worker = lab.begin("w", ["-c", "1"]);
    await until("it holds them all", async () => (await lab.count("HLEN", "unacked")) === 20);
    worker.signal("SIGTERM");
    await worker.exited;
    assert.equal(await lab.count("LLEN", "celery"), 20, "what a naive count takes for a backlog");
    const reading = await lab.read();
    assert.deepEqual([reading.waiting, reading.dueSoon], [0, 0]);
  });

  test("unacked is shared: each queue gets its own part, whatever the exchange", async () => {
    const env = { CELERY_TOPIC: "1" };
    await lab.produce(
      [
        { ms: 600_000, count: 3 },
        { ms: 600_000, queue: "orders" }, // declares the exchange: without a binding, messages to it are dropped
        { ms: 600_000, count: 3, exchange: "shop", routing_key: "order.new" },
      ],
      env,
    );
    lab.begin("w", ["-c", "1", "-Q", "celery,orders", "--prefetch-multiplier", "10"], env);
    // Until a worker has told its queues, it may work on any.
    await lab.reading("its queues are known", ({ workers }) => workers?.length === 0, { queues: ["other"] });
    const queues = ["celery", "orders"];
    await lab.reading("one runs and the others are fetched", (r) => r.running === 1 && r.reserved === 6, { queues });
    const [plain, topic] = [await lab.read(), await lab.read({ queues: ["orders"] })];
    assert.equal((plain.reserved ?? 0) + (topic.reserved ?? 0), 6);
    assert.ok((topic.reserved ?? 0) >= 3, "the topic exchange leads to orders");
    // One that was not heard for long may work on any queue until it is met again.
    const none = (r: Reading) => r.reserved === 0 && r.workers?.length === 0;
    await lab.reading("another queue has nothing of it", none, { queues: ["other"] });
  });

  test("a worker that is told to stop owns its task until it ends, and takes no more", async () => {
    const release = lab.release();
    await lab.produce([{ kwargs: { until: release.file }, count: 2 }]);
    const worker = lab.begin("w", ["-c", "1", "--prefetch-multiplier", "1"]);
    await lab.reading("it runs", ({ running }) => running === 1);
    worker.signal("SIGTERM");
    const leaving = await lab.reading("it has said goodbye", ({ workers }) => workers?.[0]?.quiet === true);
    assert.deepEqual([busy(leaving), leaving.running], [{ w: 1 }, 1]);
    await release.now();
    await worker.exited;
    assert.deepEqual(
      (await lab.journal()).map(({ kind }) => kind),
      ["job.start", "job.end"],
    );
    await lab.reading("it is forgotten", ({ workers, running }) => workers?.length === 0 && running === 0);
  });

  test("workers without heartbeats are asked", async () => {
    await lab.produce([{ ms: 600_000 }]);
    lab.begin("mute", ["-c", "1", "--without-heartbeat", "--without-gossip", "--without-mingle"]);
    const reading = await lab.reading("it is met", ({ running }) => running === 1);
    assert.deepEqual(busy(reading), { mute: 1 });
    await lab.produce([{ ms: 600_000 }]);
    const still = await lab.reading("it is asked again", ({ workers }) => (workers?.[0]?.seenAt ?? 0) > reading.sampledAt + 1000);
    assert.deepEqual(busy(still), { mute: 1 });
  });

  test("a worker that is silent while it works (pool solo) is busy, not gone", async () => {
    lab.begin("solo", ["-P", "solo"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.produce([{ ms: 600_000 }]);
    const seen = (await lab.reading("it is met", ({ workers }) => workers?.length === 1)).workers?.[0]?.seenAt ?? 0;
    const silent = await lab.reading(
      "it has been silent for three beats",
      ({ workers, sampledAt }) => (workers?.length ?? 0) === 0 || sampledAt - Math.max(seen, workers?.[0]?.seenAt ?? 0) > 6500,
    );
    assert.deepEqual([busy(silent), silent.running], [{ solo: 1 }, 1]);
  });

  test("nodes that are all called celery are told apart by their hosts", async () => {
    lab.begin("celery", ["-c", "1"]);
    assert.deepEqual(names(await lab.reading("it is there", ({ workers }) => workers?.length === 1)), ["celery@test"]);
  });
});

describe("quieting a Celery worker", { skip, concurrency: false }, () => {
  before(open);
  after(() => lab.close());
  beforeEach(() => lab.reset());

  const both = async (options: readonly string[] = [], env = {}) => {
    const workers = ["a", "b"].map((id) => lab.begin(id, ["-c", "1", ...options], env));
    await lab.reading("both are there", ({ workers }) => workers?.length === 2);
    return workers;
  };
  const doneBy = async (count: number) => {
    const ended = async () => (await lab.journal()).filter(({ kind }) => kind === "job.end");
    await until(`${count} have ended`, async () => (await ended()).length >= count);
    return [...new Set((await ended()).map(({ worker }) => worker))].sort();
  };

  test("it gets none of the next tasks, shows exactly what it holds, and works again when let", async () => {
    await both();
    await lab.quiet("a", true);
    const { worker, reading } = await lab.quieted("a");
    assert.deepEqual([worker.busy, worker.reserved], [0, 0]);
    assert.ok(worker.seenAt >= reading.sampledAt, "asked in this very read");
    await lab.produce([{ ms: 20, count: 20 }]);
    assert.deepEqual(await doneBy(20), ["b"]);
    await lab.quiet("b", true);
    await lab.quiet("a", false);
    assert.equal((await lab.read()).workers?.find(({ id }) => id === "a")?.quiet, undefined);
    await lab.produce([{ ms: 20, count: 10 }]);
    assert.deepEqual(await doneBy(30), ["a", "b"]);
  });

  test("one that had fetched tasks before shows them, so it is not taken for idle", async () => {
    await lab.produce([{ ms: 600_000, count: 5 }]);
    lab.begin("a", ["-c", "1"]);
    await lab.reading("it runs", ({ running, reserved }) => running === 1 && reserved === 4);
    await lab.quiet("a", true);
    const { worker } = await lab.quieted("a");
    assert.deepEqual([worker.busy, worker.reserved], [1, 4]);
  });

  test("tasks with an ETA that it holds do not keep it: they go back to the list when it ends", async () => {
    await lab.produce([{ count: 5, countdown: 600 }]);
    const worker = lab.begin("a", ["-c", "1"]);
    await until("it holds them", async () => (await lab.count("HLEN", "unacked")) === 5);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.quiet("a", true);
    const { busy, reserved } = (await lab.quieted("a")).worker;
    assert.deepEqual([busy, reserved], [0, 0]);
    worker.signal("SIGTERM");
    await worker.exited;
    assert.deepEqual([await lab.count("LLEN", "celery"), await lab.count("HLEN", "unacked")], [5, 0]);
  });

  test("every queue is taken from it and given back with its own exchange and routing key", async () => {
    const env = { CELERY_TOPIC: "1" };
    const queues = { queues: ["celery", "orders"] };
    lab.begin("a", ["-c", "1", "-Q", "celery,orders"], env);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1, queues);
    const bindings = async () => [...((await lab.command("SMEMBERS", "_kombu.binding.shop")) as unknown as string[])].sort();
    await until("it has bound its queue", async () => (await bindings()).length > 0);
    const before = await bindings();
    await lab.quiet("a", true, { queues: ["orders"] });
    await lab.produce([{ ms: 1 }, { ms: 1, queue: "orders" }, { ms: 1, exchange: "shop", routing_key: "order.eu.new" }], env);
    assert.equal((await lab.read(queues)).waiting, 3, "none of its queues is worked on");
    await lab.quiet("a", false, { queues: ["orders"] });
    assert.deepEqual(await doneBy(3), ["a"]);
    assert.deepEqual(await bindings(), before);
  });

  test("one that another life of ours quieted is shown as quiet, and can be let go", async () => {
    lab.begin("a", ["-c", "1"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.quiet("a", true);
    await lab.forget();
    const { worker } = await lab.quieted("a");
    assert.deepEqual([worker.busy, worker.reserved], [0, 0]);
    await lab.quiet("a", false);
    await lab.produce([{ ms: 1 }]);
    assert.deepEqual(await doneBy(1), ["a"]);
  });

  test("one that another life of ours quieted, and that is quieted again, is still seen, and works again when it is let go", async () => {
    lab.begin("a", ["-c", "1"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.quiet("a", true);
    await lab.forget();
    await lab.reading("it is met", ({ workers }) => workers?.length === 1);
    await lab.quiet("a", true);
    assert.equal((await lab.quieted("a")).worker.busy, 0);
    await lab.quiet("a", false);
    await lab.produce([{ ms: 1 }]);
    assert.deepEqual(await doneBy(1), ["a"]);
  });

  test("one that nobody has heard of is refused, and one that does not answer in time as well", async () => {
    await lab.read();
    await assert.rejects(async () => lab.quiet("nobody", true), /no worker nobody/);
    const worker = lab.begin("a", ["-c", "1"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    worker.signal("SIGSTOP", true);
    await assert.rejects(async () => lab.quiet("a", true), /a@test does not answer/);
    await kill(worker);
  });

  test("asking leaves nothing behind in Redis", async () => {
    lab.begin("a", ["-c", "1"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.quiet("a", true);
    await lab.quiet("a", false);
    assert.equal(await lab.count("EXISTS", "_kombu.binding.reply.celery.pidbox"), 0);
    assert.deepEqual(await lab.command("KEYS", "*.reply.celery.pidbox"), []);
  });
});
