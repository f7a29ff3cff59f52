import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type { Reading } from "../../src/core/contract.ts";
import { behindTls, heldThroughCertificates } from "../faults/support/certificates.ts";
import { answerFaults, dialFaults, networkFaults } from "../faults/support/elsewhere.ts";
import { celeryCommand, pool } from "../faults/support/pools.ts";
import { queue, throughRabbit } from "../faults/support/rabbitmq.ts";
import { setStage } from "../faults/support/stage.ts";
import { findPython } from "../support/python.ts";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../support/rabbitmq.ts";
import { openLab } from "../support/rabbitmq-lab.ts";
import { rabbitClient } from "../support/rabbitmq-producer.ts";
import { waitFor } from "../support/wait.ts";

const skip = await skipWithoutRabbit();
const found = await findPython();
const python = "python" in found ? found.python : "";
const skipCelery = "missing" in found ? found.missing : false;

test(
  "RabbitMQ is refused, and short of memory; it has lost its data; a queue is deleted and declared again: held (rows 1, 6, 31, 50, 51)",
  { skip },
  () =>
    throughRabbit((server, { client, fill, again }) => [
      ...networkFaults.slice(0, 1),
      {
        name: "memory alarm",
        sees: undefined,
        begin: () => server.ctl("set_vm_memory_high_watermark", "0.00001"),
        end: () => server.ctl("set_vm_memory_high_watermark", "0.4"),
      },
      {
        name: "without its data",
        sees: "missing",
        async begin() {
          await server.restart({ wipe: true });
          await again();
        },
        end: fill,
      },
      {
        name: "deleted",
        sees: "missing",
        outage: false,
        async begin() {
          const channel = await client().model.createChannel();
          await channel.deleteQueue(queue);
          await channel.close();
        },
        end: fill,
      },
    ]),
);
test(
  "RabbitMQ is silent, mute, without a name, stopped, killed and back without statistics: held (rows 4, 5, 7, 30, 40)",
  { skip },
  () =>
    throughRabbit((server, { again }) => [
      ...networkFaults.slice(1),
      ...dialFaults,
      { name: "SIGSTOP", sees: "timeout", begin: server.stopProcess, end: server.contProcess },
      {
        name: "kill -9",
        sees: "unreachable",
        begin: server.kill9,
        async end() {
          await server.restart();
          await again();
        },
      },
    ]),
);

// Of a quorum queue AMQP is asked at every reading.
test("RabbitMQ answers too late, in part, or nonsense: held (rows 41, 42)", { skip }, () =>
  throughRabbit(
    () => [
      ...answerFaults,
      {
        name: "garbled",
        sees: "invalid",
        begin: ({ proxy }) => proxy.set({ kind: "edit", edit: (piece) => piece.map((byte) => byte ^ 0xff) as Buffer }),
        end: ({ proxy }) => proxy.set({ kind: "pass" }),
      },
    ],
    { type: "quorum" },
  ),
);

test("RabbitMQ has no room for our connection, and another password for its user: held (rows 15, 16, 81)", {
  skip,
}, () => {
  const login = { username: "reader", password: "c4n4ry-of-rabbitmq" };
  const endOurs = (server: TestRabbit) =>
    waitFor("our connection to be listed", async () => {
      const all = (await server.api("GET", "connections?columns=name,user")) as readonly { name: string; user: string }[];
      const ours = all.filter(({ user }) => user === login.username);
      for (const { name } of ours) await server.api("DELETE", `connections/${encodeURIComponent(name)}`).catch(() => {});
      return ours.length > 0;
    });
  const setPassword = (server: TestRabbit, password: string) =>
    server.api("PUT", `users/${login.username}`, { password, tags: "monitoring" });
  const limit = "vhost-limits/%2F/max-connections";
  return throughRabbit(
    (server) => [
      {
        name: "no room",
        sees: "limit",
        async begin() {
          await server.api("PUT", limit, { value: 0 });
          await endOurs(server);
        },
        end: () => server.api("DELETE", limit),
      },
      {
        name: "another password",
        sees: "auth",
        async begin() {
          await setPassword(server, "another");
          await endOurs(server);
        },
        end: () => setPassword(server, login.password),
      },
    ],
    { login },
  );
});

test("RabbitMQ shows a certificate that is not to be trusted: named, held, and read again without a restart (row 43)", {
  skip,
}, async (t) => {
  await using server = await startRabbit();
  const producer = await rabbitClient(server.url);
  await producer.make(queue);
  await producer.put(queue, 3);
  producer.destroy();
  const management = { url: server.managementUrl };
  await heldThroughCertificates(t, {
    serve: behindTls(() => server.port),
    spec: (port, tls) => ({ rabbitmq: { url: `amqps://127.0.0.1:${port}`, management, tls } }),
    trigger: { rabbitmq: { queue } },
  });
});

test("One Celery worker has fetched all tasks from RabbitMQ, which then goes away for a while: nobody who holds one is stopped (rows 2, 18)", {
  skip: skip || skipCelery,
}, async () => {
  await using server = await startRabbit();
  const source = {
    port: () => server.port,
    spec: (port: number) => ({ rabbitmq: { url: `amqp://127.0.0.1:${port}`, management: { url: server.managementUrl } } }),
    waiting: () => 0,
  };
  await using stage = await setStage({
    pools: [pool("tasks", { kind: "celery", command: celeryCommand(python, 16) })],
    elsewhere: source,
    workerEnv: { CELERY_BROKER: server.url.replace("//", "//guest:guest@") },
    constants: { transitionMs: 10_000, duplicates: "fail" },
  });
  await stage.enqueue("tasks", 14, 700);
  await stage.busy(1);
  await stage.fault({ fault: "silent", connection: "main", outage: true }, async () => {
    await stage.proxy.set({ kind: "hole" });
    await stage.sees("tasks", "timeout");
    await pause(2500);
    await stage.proxy.set({ kind: "pass" });
    await stage.sees("tasks", undefined);
  });
  await stage.drained();
  await stage.settles("tasks", 0);
  const { writes } = await stage.judge();
  assert.ok(writes("tasks").some(({ to }) => to === 3));
});

test("RabbitMQ takes a job that lasts too long from its worker: it is nobody's, then waits, and is never lost sight of (row 20)", {
  skip,
}, async () => {
  // Longer than statistics take to name who holds it, and looked at more often than once a minute.
  await using server = await startRabbit({ config: ["consumer_timeout = 12000"], rabbit: "{channel_tick_interval,500}" });
  await using lab = await openLab(server);
  const tooLong = async (type: string) => {
    const producer = await rabbitClient(server.url);
    await producer.make(type, { arguments: { "x-queue-type": type } });
    await producer.put(type, 1, { persistent: true });
    const worker = await rabbitClient(server.url, `${type}-1`);
    const channel = await worker.take(type, 1);
    const heldAt = monotonicMs();
    const closed = once(channel, "error") as Promise<[Error]>;
    const seen = (what: string, fits: Parameters<typeof lab.reading>[2]) =>
      lab.reading(`${type}: ${what}`, { queue: type }, (reading) => {
        const isOld = reading.sampledAt < heldAt; // statistics of a time before it was there, and they say so
        assert.ok(isOld || (reading.waiting ?? 1) + (reading.running ?? 1) >= 1, JSON.stringify(reading));
        return fits(reading);
      });
    const isBusy = (reading: Reading) => reading.workers?.some(({ id, busy }) => id === `${type}-1` && busy > 0) === true;
    await seen("its worker has it", isBusy);
    await seen("it waits again", ({ waiting }) => waiting === 1);
    assert.match(String(await closed), /PRECONDITION_FAILED - delivery acknowledgement on channel \d+ timed out/);
    await seen("the worker is not called busy any more", (reading) => reading.running === 0 && !isBusy(reading));
    await worker.take(type, 1);
    await seen("whoever takes it again is", (reading) => reading.waiting === 0 && reading.running === 1 && isBusy(reading));
    worker.destroy();
    producer.destroy();
  };
  await Promise.all(["classic", "quorum"].map(tooLong));
});
