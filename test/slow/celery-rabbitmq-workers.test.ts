import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { celery } from "../../scalers/celery.ts";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import type { Reading } from "../../src/core/contract.ts";
import { skipWithoutRabbit } from "../support/rabbitmq.ts";
import { settingsFor } from "../support/rabbitmq-lab.ts";
import { soon } from "../support/scaler-lab.ts";
import { waitFor } from "../support/wait.ts";
import { busy, skip as skipCelery } from "../support/workers/celery.ts";
import { openRabbitCeleryLab, type RabbitCeleryLab } from "../support/workers/celery-rabbitmq.ts";
import { kill, until } from "../support/workers/start.ts";

const skip = skipCelery || (await skipWithoutRabbit());
let lab: RabbitCeleryLab;

describe("Celery workers on RabbitMQ", { skip, concurrency: false }, () => {
  before(async () => {
    lab = await openRabbitCeleryLab();
  });
  after(() => lab.close());
  beforeEach(() => lab.reset());

  test("running tasks are acknowledged and in no count of RabbitMQ, fetched ones unacknowledged: both are seen, and apart", async () => {
    await lab.produce([{ ms: 3_600_000, count: 17 }]);
    lab.begin("mails-1-ab12", ["-c", "2"]);
    const reading = await lab.reading(
      "two run, all that it may fetch is fetched, and it has said how many it can do",
      (r) => r.waiting === 7 && r.running === 2 && r.reserved === 8 && r.workers?.[0]?.slots !== undefined,
    );
    assert.deepEqual(busy(reading), { "mails-1-ab12": 2 });
    assert.deepEqual([reading.workers?.[0]?.slots, reading.workers?.[0]?.host], [2, "test"]);
  });

  test("a queue that is empty while its last task runs is not idle", async () => {
    lab.begin("w", ["-c", "1"]);
    await lab.reading("it is there", ({ workers }) => workers?.length === 1);
    await lab.produce([{ ms: 3_600_000 }]);
    await lab.reading("it runs", ({ running, waiting }) => running === 1 && waiting === 0);
    const [row] = (await lab.server.api("GET", "queues/%2F?disable_stats=true&enable_queue_totals=true&name=celery")) as never[];
    assert.equal((row as { messages?: number } | undefined)?.messages ?? 0, 0, "what a naive count sees");
  });

  test("tasks that are acknowledged late are running ones, not fetched ones", async () => {
    await lab.produce([{ ms: 3_600_000, count: 4 }]);
    lab.begin("w", ["-c", "2", "--prefetch-multiplier", "1"], { CELERY_ACKS_LATE: "1" });
    const reading = await lab.reading("two run", (r) => r.running === 2 && r.reserved === 0);
    assert.equal(reading.waiting, 2);
  });

  test("tasks with a distant ETA that a worker holds are neither waiting nor fetched nor running", async () => {
    // As many as it may fetch: on RabbitMQ 4 Celery cannot raise that for tasks that sleep.
    await lab.produce([{ count: 4, countdown: 3600 }]);
    lab.begin("w", ["-c", "1"]);
    const reading = await lab.reading("it holds them all", (r) => r.waiting === 0 && r.running === 0 && r.reserved === 0);
    assert.equal(await lab.depth(), 0);
    assert.equal(reading.dueSoon, 0);
    assert.equal((await lab.reading("all are known", (r) => r.dueSoon === 4, { lookAhead: "1h" })).reserved, 0);
  });

  test("tasks with an ETA that a stopped worker gave back do not wait, and new ones do", async () => {
    await lab.produce([{ count: 4, countdown: 3600 }]);
    const worker = lab.begin("w", ["-c", "1"]);
    await lab.reading("all are known", (r) => r.dueSoon === 4, { lookAhead: "1h" });
    worker.signal("SIGTERM");
    await worker.exited;
    await until("they are back", async () => (await lab.depth()) === 4);
    const back = await lab.reading("the worker is forgotten", (r) => r.waiting === 0 && r.workers?.length === 0);
    assert.equal(back.dueSoon, 0);
    await lab.produce([{ count: 3 }]);
    assert.equal((await lab.read()).waiting, 3);
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
    await lab.reading("it is forgotten", ({ workers, running }) => workers?.length === 0 && running === 0);
  });

  test("workers without heartbeats are asked", async () => {
    await lab.produce([{ ms: 3_600_000 }]);
    lab.begin("mute", ["-c", "1", "--without-heartbeat", "--without-gossip", "--without-mingle"]);
    const reading = await lab.reading("it is met", ({ running }) => running === 1);
    assert.deepEqual(busy(reading), { mute: 1 });
  });

  test("a worker that was killed is gone with its connection, and what it held waits again", async () => {
    await lab.produce([{ ms: 3_600_000, count: 5 }]);
    const worker = lab.begin("w", ["-c", "1"]);
    await lab.reading("it runs", ({ running, reserved }) => running === 1 && reserved === 4);
    await kill(worker);
    const back = ({ workers, waiting }: Reading) => workers?.length === 0 && waiting === 4;
    const reading = await lab.reading("it is gone, and what it held is back", back);
    assert.deepEqual([reading.running, reading.reserved], [0, 0]);
  });

  test("quieted it gets none of the next tasks, shows exactly what it holds, and works again when let", async () => {
    for (const id of ["a", "b"]) lab.begin(id, ["-c", "1"]);
    await lab.reading("both are there", ({ workers }) => workers?.length === 2);
    const doneBy = async (count: number) => {
      const ended = async () => (await lab.journal()).filter(({ kind }) => kind === "job.end");
      await until(`${count} have ended`, async () => (await ended()).length >= count);
      return [...new Set((await ended()).map(({ worker }) => worker))].sort();
    };
    await lab.quiet("a", true);
    const { worker } = await lab.quieted("a");
    assert.deepEqual([worker.busy, worker.reserved], [0, 0]);
    await lab.produce([{ ms: 20, count: 20 }]);
    assert.deepEqual(await doneBy(20), ["b"]);
    await lab.quiet("b", true);
    await lab.quiet("a", false);
    await lab.produce([{ ms: 20, count: 10 }]);
    assert.deepEqual(await doneBy(30), ["a", "b"]);
    await assert.rejects(async () => lab.quiet("nobody", true), /no worker nobody/);
  });

  test("one that had fetched tasks before it was quieted shows them, so it is not taken for idle", async () => {
    await lab.produce([{ ms: 3_600_000, count: 5 }]);
    lab.begin("a", ["-c", "1"]);
    await lab.reading("it runs", ({ running, reserved }) => running === 1 && reserved === 4);
    await lab.quiet("a", true);
    const { worker } = await lab.quieted("a");
    assert.deepEqual([worker.busy, worker.reserved], [1, 4]);
  });

  test("a user with few rights hears the workers; one without them sees what waits, and says why not what runs", async () => {
    const ours = "^(celeryev|celery\\.pidbox|reply\\.celery\\.pidbox|celeryev\\..*|.*\\.reply\\.celery\\.pidbox)$";
    await lab.produce([{ ms: 3_600_000, count: 3 }]);
    lab.begin("w", ["-c", "1", "--prefetch-multiplier", "1"]);
    await lab.reading("it runs", ({ running, waiting }) => running === 1 && waiting === 1);
    for (const [user, rights] of [
      ["some", ours],
      ["none", "^$"],
    ] as const) {
      await lab.server.api("PUT", `users/${user}`, { password: "pw", tags: "monitoring" });
      await lab.server.api("PUT", `permissions/%2F/${user}`, { configure: rights, write: rights, read: rights });
      await using session = await rabbitBroker.open(settingsFor(lab.server, { username: user, password: "pw" }), soon());
      const read = async () => (await celery.read(session.client, [lab.query()], soon()))[0] as { reading: Reading };
      if (user === "some") await waitFor("it is heard", async () => (await read()).reading.running === 1);
      else {
        const { waiting, running, runningUnknown } = (await read()).reading;
        assert.deepEqual([waiting, running], [1, undefined]);
        assert.match(runningUnknown ?? "", /ACCESS_REFUSED/);
      }
    }
  });

  test("priorities are one queue's own matter: all of them wait in it", async () => {
    const env = { CELERY_MAX_PRIORITY: "9" };
    await lab.produce(
      [
        { count: 2, queue: "urgent" },
        { count: 3, queue: "urgent", priority: 9 },
      ],
      env,
    );
    assert.equal((await lab.read({ queues: ["urgent"] })).waiting, 5);
  });

  test("tasks that RabbitMQ itself delays (native delayed delivery) stand in queues that are nobody's", async () => {
    const env = { CELERY_QUEUE_TYPE: "quorum", CELERY_TOPIC: "1" };
    lab.begin("w", ["-c", "1", "-Q", "orders"], env);
    const rows = async (columns: string) =>
      (await lab.server.api("GET", `queues/%2F?columns=name,${columns}`)) as readonly Record<string, unknown>[];
    await until("it has made its queue", async () => (await rows("type")).some((row) => row["name"] === "orders"));
    await lab.reading("it is there", ({ workers }) => workers?.length === 1, { queues: ["orders"] });
    await lab.produce([{ count: 6, countdown: 3600, queue: "orders" }], env);
    await until("they are delayed", async () => {
      const delayed = (await rows("messages_ready")).filter((row) => String(row["name"]).startsWith("celery_delayed_"));
      return delayed.some((row) => row["messages_ready"] === 6);
    });
    const { waiting, dueSoon, reserved } = await lab.reading("it is idle", ({ running }) => running === 0, {
      queues: ["orders"],
    });
    assert.deepEqual([waiting, dueSoon, reserved], [0, 0, 0]);
  });
});
