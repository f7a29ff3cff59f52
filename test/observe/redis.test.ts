import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "@redis/client";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { clock, observing } from "./lists.ts";
import { until } from "./support.ts";

let redis: TestRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

/** A client of our own, that writes and looks. It lives as long as the test does not touch the server. */
async function writer() {
  const client = createClient({ url: redis.url, socket: { reconnectStrategy: 50 } });
  client.on("error", () => {}); // the server is killed under it
  await client.connect();
  return { client, [Symbol.dispose]: () => client.destroy() };
}

test("a thousand triggers share one connection, and are known after one round", async () => {
  using own = await writer();
  await using house = observing();
  await own.client.rPush("many:999", ["1", "2", "3"]);
  const all = Array.from({ length: 1000 }, (_, index) => house.watch(redis.url, `many:${index}`));
  await until(() => all.every(({ waiting }) => waiting() !== undefined));
  assert.equal(all[999]?.waiting(), 3);
  const connected = String(await own.client.sendCommand(["CLIENT", "LIST"]))
    .trim()
    .split("\n");
  assert.equal(connected.length, 2, "the observer's and that of this test");
  for (const { watching } of all) watching.stop();
  await until(
    async () =>
      String(await own.client.sendCommand(["CLIENT", "LIST"]))
        .trim()
        .split("\n").length === 1,
  );
});

test("a push is known, woken, however long the interval", async (t) => {
  using own = await writer();
  await using house = observing();
  const a = house.watch(redis.url, "woken", 600_000);
  await until(() => a.waiting() === 0);
  const took: number[] = [];
  for (let count = 1; count <= 50; count++) {
    const sentAt = clock();
    await own.client.rPush("woken", "x");
    await until(() => a.waiting() === count);
    took.push((a.seen.at(-1)?.receivedAt ?? 0) - sentAt);
    assert.notEqual(a.seen.at(-1)?.wokenAt, undefined);
    await new Promise((resolve) => setTimeout(resolve, 60)); // the next one is a leading edge again
  }
  took.sort((x, y) => x - y);
  const p50 = took[25] ?? 0;
  t.diagnostic(`from before RPUSH to the listener told: p50 ${p50.toFixed(2)} ms, worst ${took.at(-1)?.toFixed(2)} ms`);
});

test("emptied by FLUSHALL, everything is read anew at once", async () => {
  using own = await writer();
  await using house = observing();
  await own.client.rPush("flushed", ["1", "2"]);
  const a = house.watch(redis.url, "flushed", 600_000);
  await until(() => a.waiting() === 2);
  await own.client.flushAll();
  await until(() => a.waiting() === 0);
});

test("a killed connection comes back by itself, and what was written meanwhile is seen", async () => {
  using own = await writer();
  await using house = observing();
  const a = house.watch(redis.url, "killed", 600_000);
  await until(() => a.waiting() === 0);
  for (let turn = 1; turn <= 3; turn++) {
    await own.client.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    await own.client.rPush("killed", "x");
    await until(() => a.waiting() === turn && a.failure() === undefined);
    await own.client.rPush("killed", "x");
    await until(() => a.waiting() === turn + 1);
    await own.client.rPop("killed");
    await until(() => a.waiting() === turn);
  }
});

test("a server that is killed makes its triggers unknown at once, never zero; it is found again when it is back", async () => {
  using own = await writer();
  await using house = observing();
  await own.client.rPush("server", ["1", "2", "3", "4"]);
  const a = house.watch(redis.url, "server", 500);
  await until(() => a.waiting() === 4);
  const epoch = a.watching.observation().reading?.epoch;
  await redis.kill9();
  await until(() => a.failure() !== undefined);
  await until(() => (a.failure()?.count ?? 0) >= 3);
  assert.equal(a.failure()?.problem.kind, "unreachable");
  assert.equal(a.waiting(), 4, "the last good reading, with its age");
  await redis.restart();
  await until(() => a.failure() === undefined);
  assert.equal(a.waiting(), 0);
  assert.notEqual(a.watching.observation().reading?.epoch, epoch);
  const ups = house.states.map(({ up }) => up);
  assert.deepEqual(ups, [true, false, true], "told once per change");
});

test("a server that stands still is a timeout after the deadline, and is trusted again after it goes on", async () => {
  using own = await writer();
  await using house = observing();
  await own.client.del("stopped");
  const a = house.watch(redis.url, "stopped");
  await until(() => a.waiting() === 0);
  redis.stopProcess();
  const stoppedAt = clock();
  try {
    await until(() => a.failure() !== undefined);
    // The deadline is 2 s, the dial's too; for ever is what it would be without them.
    assert.ok(clock() - stoppedAt < 30_000);
    assert.equal(a.failure()?.problem.kind, "timeout");
    const fresh = await a.watching.refresh();
    assert.notEqual(fresh.failure, undefined);
    await until(() => (a.failure()?.count ?? 0) >= 3);
  } finally {
    redis.contProcess();
  }
  await own.client.rPush("stopped", "x");
  await until(() => a.failure() === undefined && a.waiting() === 1);
});
