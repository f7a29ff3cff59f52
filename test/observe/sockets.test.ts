import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startProxy } from "../support/proxy.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { observing } from "./lists.ts";
import { until } from "./support.ts";

/** Shorter than the defaults, and longer than a good answer takes on a machine that is busy. */
const hasty = { deadlineMs: 1500, dialDeadlineMs: 3000 };

let redis: TestRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

async function throughProxy() {
  const proxy = await startProxy(() => redis.port);
  return { proxy, url: `redis://127.0.0.1:${proxy.port}/0`, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

test("a half-open connection is found by the deadline and replaced; triggers elsewhere do not notice", async () => {
  await using far = await throughProxy();
  await using house = observing(hasty);
  const a = house.watch(far.url, "a", 200);
  const near = house.watch(redis.url, "a", 100);
  await until(() => a.waiting() === 0 && near.waiting() === 0);
  const before = near.seen.length;
  await far.proxy.set({ kind: "freeze" });
  await until(() => a.failure()?.problem.kind === "timeout");
  await until(() => a.failure() === undefined);
  assert.equal(far.proxy.dials(), 2);
  // Of the fifteen that it is due; one that had waited for the other connection would have had none.
  const reads = near.seen.length - before;
  assert.ok(reads >= 3, `${reads} reads`);
  assert.ok(near.seen.every(({ observation }) => observation.failure === undefined));
});

test("a handshake that never ends is a failed dial, and a good one follows", async () => {
  await using far = await throughProxy();
  await using house = observing(hasty);
  await far.proxy.set({ kind: "mute" });
  const a = house.watch(far.url, "a", 200);
  await until(() => a.failure() !== undefined);
  assert.ok(["timeout", "unreachable"].includes(a.failure()?.problem.kind ?? ""), a.failure()?.problem.kind);
  await far.proxy.set({ kind: "pass" });
  await until(() => a.failure() === undefined && a.waiting() === 0);
});

test("a slow broker is not a dead one, and no more than one question waits there", async () => {
  await using far = await throughProxy();
  await using house = observing(hasty);
  const a = house.watch(far.url, "a", 50);
  await until(() => a.waiting() === 0);
  await far.proxy.set({ kind: "delay", ms: 300 });
  const before = a.seen.length;
  await until(() => a.seen.length >= before + 5);
  assert.ok(a.seen.every(({ observation }) => observation.failure === undefined));
  const spans = a.seen.map(({ sentAt, receivedAt }) => [sentAt, receivedAt] as const);
  for (const [index, [sentAt]] of spans.entries()) assert.ok(index === 0 || sentAt >= (spans[index - 1]?.[1] ?? 0));
});

test("an answer after the deadline is never told", async () => {
  await using far = await throughProxy();
  await using house = observing(hasty);
  const a = house.watch(far.url, "a", 100);
  await until(() => a.waiting() === 0);
  const before = a.seen.length;
  await far.proxy.set({ kind: "delay", ms: 2500 });
  await until(() => (a.failure()?.count ?? 0) >= 3);
  await far.proxy.set({ kind: "pass" });
  await until(() => a.failure() === undefined);
  for (const { observation, sentAt, receivedAt } of a.seen.slice(before)) {
    if (observation.failure === undefined) assert.ok(receivedAt - sentAt <= hasty.deadlineMs);
  }
});
