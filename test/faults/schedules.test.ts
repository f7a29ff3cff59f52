import assert from "node:assert/strict";
import { test } from "node:test";
import { cron } from "../../scalers/cron.ts";
import { wallClockBroker } from "../../src/brokers/wall-clock.ts";
import { createWorkerLoop } from "../../src/control/create-worker-loop.ts";
import type { WatchedTrigger } from "../../src/control/worker-loop.ts";
import { createObserver } from "../../src/observe/create-observer.ts";
import { fakeHouse, fakeTarget, rulesOf } from "../control/rig.ts";
import { clockBefore } from "../support/clock-before.ts";
import { waitFor } from "../support/wait.ts";

const now = () => performance.now();
const time = { now, settle: async () => {}, pass: async () => {} };

/** A controller with that wall clock, on a target of its own. */
function controllerOf(wall: () => number, query: object, leads: boolean) {
  const observer = createObserver({
    brokers: new Map([["clock", wallClockBroker(wall)]]),
    clock: now,
    random: Math.random,
  });
  const trigger: WatchedTrigger = {
    name: "hours",
    watch: {
      scaler: cron,
      query: cron.query.parse(query),
      connection: { name: "clock", type: "clock", key: "clock", settings: async () => ({}) },
      intervalMs: 3_600_000, // polling cannot be what sees it
    },
  };
  const rules = rulesOf({ triggers: [{ name: "hours", goal: { kind: "wants" }, activation: 0, intervalMs: 3_600_000 }] });
  const target = fakeTarget(time);
  const { house, decisions } = fakeHouse(time, observer.watch.bind(observer), () => leads);
  const loop = createWorkerLoop("mails", target.target, rules, [trigger], house);
  return {
    target,
    decided: () => decisions.at(-1)?.to,
    async [Symbol.asyncDispose]() {
      await loop.stop();
      loop.release();
      await observer[Symbol.asyncDispose]();
    },
  };
}

test("A window that begins in the gap of summer time begins at its end, and of two controllers the leader alone acts, once (row 98)", async () => {
  const query = { timezone: "Europe/Berlin", from: "30 2 * * *", to: "0 5 * * *", replicas: 3 };
  const wall = clockBefore("2026-03-29T03:00:00+02:00");
  await using leader = controllerOf(wall.now, query, true);
  await using standby = controllerOf(wall.now, query, false);
  await waitFor("both to know that it is closed", () => leader.decided() === 0 && standby.decided() === 0);
  wall.go();
  await waitFor("both to know", () => leader.decided() === 3 && standby.decided() === 3);
  await waitFor("the size", () => leader.target.size() === 3);
  assert.deepEqual(
    leader.target.changes.map(({ to }) => to),
    [3],
  );
  assert.deepEqual(standby.target.changes, []);
});

test("A window ends at its very moment, the first time that the clock shows it in autumn (row 98)", async () => {
  const query = { timezone: "Europe/Berlin", from: "0 1 * * *", to: "30 2 * * *", replicas: 3 };
  const wall = clockBefore("2026-10-25T02:30:00+02:00");
  await using leader = controllerOf(wall.now, query, true);
  await waitFor("the beginning", () => leader.target.size() === 3);
  wall.go();
  await waitFor("the end", () => leader.target.size() === 0);
  assert.deepEqual(
    leader.target.changes.map(({ to }) => to),
    [3, 0],
  );
});
