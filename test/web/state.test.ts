import assert from "node:assert/strict";
import { test } from "node:test";
import type { TriggerSnapshot, WorkerSnapshot } from "../../src/control/worker-snapshot.ts";
import { workerOf } from "./synthetic.ts";

type State = Readonly<
  Record<"waitingOf" | "runningOf", (worker: WorkerSnapshot) => number | undefined> & {
    waitsLonger: (worker: WorkerSnapshot) => boolean;
  }
>;
const { waitingOf, runningOf, waitsLonger }: State = await import(new URL("../../src/web/page/state.js", import.meta.url).href);

test("The page adds up what waits and what runs in all triggers, and counts jobs once that two of them see", () => {
  const worker = workerOf(Date.now());
  const [trigger] = worker.triggers;
  assert.ok(trigger);
  const sums = (more: Partial<TriggerSnapshot>) => {
    const triggers = [
      { ...trigger, waiting: 30, running: 4 },
      { ...trigger, name: "second", waiting: 20, running: 3, ...more },
    ];
    return [waitingOf({ ...worker, triggers }), runningOf({ ...worker, triggers })];
  };
  assert.deepEqual(sums({}), [50, 7]);
  assert.deepEqual(sums({ countedBy: trigger.name }), [30, 4]);
  assert.deepEqual(sums({ countedBy: trigger.name, state: "unknown" }), [undefined, undefined], "not knowing is not zero");
});

test("The page says where jobs may wait longer than is known", () => {
  const worker = workerOf(Date.now());
  const [trigger] = worker.triggers;
  assert.ok(trigger);
  assert.equal(waitsLonger(worker), false);
  assert.equal(waitsLonger({ ...worker, triggers: [trigger, { ...trigger, oldestIsLeast: true }] }), true);
  assert.equal(waitsLonger({ ...worker, triggers: [{ ...trigger, oldestIsLeast: true, state: "unknown" }] }), false);
});
