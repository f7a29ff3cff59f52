import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { ScaledWorkerStatus } from "../../src/api/status.ts";
import { createPublisher, type Notice } from "../../src/cluster/publisher.ts";
import type { Refused } from "../../src/cluster/status.ts";
import type { WorkerSnapshot } from "../../src/control/worker-snapshot.ts";
import { conditionsOf, workerOf } from "../web/synthetic.ts";

const key = "default/mails";

/** A publisher of one worker whose time passes only by the test. */
function rig(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: Date.parse("2026-12-24T18:00:00Z") });
  const state = { worker: workerOf(Date.parse("2026-12-24T18:00:00Z")) as WorkerSnapshot | undefined, leads: true };
  const given: { newest?: ScaledWorkerStatus; refused?: Refused } = {};
  const written: ScaledWorkerStatus[] = [];
  const notices: Notice[] = [];
  const publisher = createPublisher({
    snapshot: () => state.worker,
    target: () => ({ name: "mails" }),
    refused: () => given.refused,
    newest: () => given.newest ?? written.at(-1),
    write: (_, status) => written.push(status),
    notify: (_, notice) => notices.push(notice),
    mayWrite: () => state.leads,
  });
  t.after(() => publisher[Symbol.dispose]());
  return { state, given, written, notices, publisher, pass: (ms: number) => t.mock.timers.tick(ms) };
}

describe("publisher", () => {
  it("writes once for all that happens together, and nothing while nothing turns", (t) => {
    const { publisher, written, pass, state } = rig(t);
    for (let i = 0; i < 100; i++) publisher.touch(key);
    pass(200);
    assert.equal(written.length, 1);
    const { lastChange } = workerOf(Date.parse("2026-12-24T18:00:00Z"));
    assert.ok(lastChange);
    for (let second = 0; second < 60; second++) {
      state.worker = workerOf(Date.now(), { lastChange });
      publisher.touch(key);
      pass(1000);
    }
    assert.equal(written.length, 1);
  });

  it("mends what somebody else writes", (t) => {
    const { publisher, written, pass, given } = rig(t);
    publisher.touch(key);
    pass(200);
    const [own] = written;
    assert.ok(own);
    const touched = (newest: ScaledWorkerStatus) => {
      given.newest = newest;
      publisher.touch(key);
      pass(200);
      return written.length;
    };
    const sorted = Object.fromEntries(Object.entries(own).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    assert.equal(touched(sorted as ScaledWorkerStatus), 1, "the API server gives fields in an order of its own");
    assert.equal(touched({ ...own, desired: 77 }), 2);
  });

  it("writes nothing for a status that the API server has already, and nothing while it only begins", (t) => {
    const first = rig(t);
    first.publisher.touch(key);
    first.pass(200);
    t.mock.timers.reset();
    const { publisher, written, pass, given, state } = rig(t);
    given.newest = first.written[0] as ScaledWorkerStatus;
    const { decision: _, ...begins } = workerOf(Date.now(), {
      conditions: conditionsOf(Date.now(), { Ready: { status: "Unknown", reason: "Starting" } }),
    });
    state.worker = begins;
    publisher.touch(key);
    pass(200);
    state.worker = workerOf(Date.parse("2026-12-24T18:00:00Z"));
    publisher.touch(key);
    pass(200);
    assert.deepEqual(written, []);
  });

  it("tells of what fails though nothing was decided: a target that went while no controller ran", (t) => {
    const { publisher, written, pass, given, state } = rig(t);
    publisher.touch(key);
    pass(200);
    given.newest = written.pop() as ScaledWorkerStatus;
    publisher.touchAll([]);
    const { decision: _, ...begins } = workerOf(Date.now(), {
      conditions: conditionsOf(Date.now(), { Ready: { status: "False", reason: "TargetNotFound" } }),
    });
    state.worker = begins;
    publisher.touch(key);
    pass(200);
    assert.deepEqual(
      written.map(({ reason }) => reason),
      ["TargetNotFound"],
    );
  });

  it("turns nothing for a queue that was not read yet, and tells at once of one that cannot be", (t) => {
    const { publisher, written, pass, given, state } = rig(t);
    publisher.touch(key);
    pass(200);
    given.newest = written.pop() as ScaledWorkerStatus;
    publisher.touchAll([]);
    const stands = (fresh: "NeverRead" | "Starting") => {
      const Ready = { status: "Unknown", reason: "Starting" } as const;
      const ReadingsFresh = { status: fresh === "Starting" ? "Unknown" : "False", reason: fresh } as const;
      state.worker = workerOf(Date.now(), { conditions: conditionsOf(Date.now(), { Ready, ReadingsFresh }) });
      publisher.touch(key);
      pass(200);
    };
    stands("Starting");
    assert.equal(written.length, 0);
    stands("NeverRead");
    assert.equal(written[0]?.conditions?.find(({ type }) => type === "ReadingsFresh")?.reason, "NeverRead");
  });

  it("says what turned, once", (t) => {
    const { publisher, notices, pass, state } = rig(t);
    const stand = (over: Parameters<typeof conditionsOf>[1]) => {
      state.worker = workerOf(Date.now(), { conditions: conditionsOf(Date.now(), over) });
      publisher.touch(key);
      pass(200);
      publisher.touch(key);
      pass(200);
    };
    stand({});
    stand({ Ready: { status: "False", reason: "QueueUnreachable", message: "refused" } });
    stand({});
    stand({ ScalingLimited: { status: "True", reason: "AtMaximum", message: "20 is the maximum" } });
    stand({ Paused: { status: "True", reason: "PausedBySpec", message: "held" } });
    assert.deepEqual(
      notices.map(({ type, reason }) => `${type} ${reason}`),
      ["Warning QueueUnreachable", "Normal Recovered", "Normal HitMaximum", "Normal Paused"],
    );
  });

  it("names each change of size by what it is", (t) => {
    const { publisher, notices } = rig(t);
    const { decision } = workerOf(Date.now());
    assert.ok(decision);
    for (const [from, to] of [
      [0, 3],
      [3, 9],
      [9, 2],
      [2, 0],
    ] as const) {
      publisher.scaled(key, { ...decision, from, to }, to);
    }
    assert.deepEqual(
      notices.map(({ reason }) => reason),
      ["ScaledFromZero", "ScaledUp", "ScaledDown", "ScaledToZero"],
    );
  });

  it("is silent while another one leads, and tells all that is new when it becomes the leader", (t) => {
    const { publisher, written, notices, pass, state } = rig(t);
    state.leads = false;
    publisher.touch(key);
    pass(10_000);
    assert.deepEqual([written.length, notices.length], [0, 0]);
    state.leads = true;
    publisher.touchAll([key]);
    pass(200);
    assert.equal(written.length, 1);
  });

  it("tells again what it told once, where another leader has told otherwise since", (t) => {
    const { publisher, written, pass, given } = rig(t);
    publisher.touch(key);
    pass(200);
    const [first] = written;
    assert.ok(first);
    given.newest = { ...first, reason: "AtMaximum", desired: 20 };
    publisher.touchAll([key]);
    pass(200);
    assert.deepEqual(
      written.map(({ desired }) => desired),
      [9, 9],
    );
  });

  it("looks again by itself where something fails: time alone turns an outage to an alarm", (t) => {
    const { publisher, written, pass, state } = rig(t);
    const at = Date.now();
    const [trigger] = workerOf(at).triggers;
    assert.ok(trigger);
    const problem = { kind: "unreachable", message: "refused", since: new Date(at).toISOString(), count: 3 } as const;
    state.worker = workerOf(at, { triggers: [{ ...trigger, state: "stale", problem }] });
    publisher.touch(key);
    pass(200);
    state.worker = workerOf(at, { conditions: conditionsOf(at, { Ready: { status: "False", reason: "QueueUnreachable" } }) });
    pass(5_000);
    pass(200);
    assert.deepEqual(
      written.map(({ reason }) => reason),
      ["WorkWaiting", "QueueUnreachable"],
    );
  });

  it("tells of a spec that was refused, with or without one in force", (t) => {
    const { publisher, written, pass, state, given } = rig(t);
    given.refused = { generation: 4, reason: "InvalidSpec", message: "`spec.target` must have exactly one of `kind`, `job`" };
    state.worker = undefined;
    publisher.touch(key);
    pass(200);
    assert.deepEqual([written[0]?.reason, written[0]?.observedGeneration], ["InvalidSpec", 4]);
    delete given.refused;
    state.worker = workerOf(Date.now(), { generation: 5 });
    publisher.touch(key);
    pass(200);
    assert.deepEqual([written[1]?.reason, written[1]?.observedGeneration], ["WorkWaiting", 5]);
  });
});
