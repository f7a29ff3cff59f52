import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Observation, Reading, Worker } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import type { Member, Pool, Rules } from "../../src/core/spec.ts";
import { noon, pool, rules, seen, situation, trigger } from "./situation.ts";

const long = noon - 300_000;
const member = (id: string, changes: Partial<Member> = {}): Member => ({
  id,
  ready: true,
  leaving: false,
  startedAt: long,
  ...changes,
});
const worker = (id: string, busy = 0, changes: Partial<Worker> = {}): Worker => ({ id, busy, seenAt: noon, ...changes });

function crew(members: readonly Member[], changes: Partial<Pool> = {}): Pool {
  const staying = members.filter((one) => !one.leaving).length;
  return pool(staying, { members, leaving: members.length - staying, ...changes });
}

function decided(target: Pool, observations: readonly Observation[], changes: Partial<Rules> = {}, named = true) {
  const memory = { uid: "p1", ...(named ? { named: true as const } : {}) };
  return decide(situation({ rules: rules(changes), pool: target, observations, memory })).decision;
}

/** One job waits, so that the wish is 1 and no zero has to be proven. */
const one = (workers: readonly Worker[], changes: Partial<Reading> = {}, at = noon) =>
  seen({ waiting: 1, running: workers.reduce((sum, { busy }) => sum + busy, 0), workers, ...changes }, at);

describe("members that readings name", () => {
  const abc = [member("a"), member("b"), member("c")];
  const tables: [string, number, readonly string[], readonly Member[], readonly Worker[], Partial<Reading>?][] = [
    ["the idle ones may go", 1, ["a", "b", "c"], abc, [worker("a"), worker("b"), worker("c")]],
    ["the busy one stays", 1, ["a", "c"], abc, [worker("a"), worker("b", 1), worker("c")]],
    ["two busy ones stay, though one could hold both jobs", 2, ["c"], abc, [worker("a", 1), worker("b", 1), worker("c")]],
    ["a job fetched ahead keeps its worker", 2, ["a"], abc, [worker("a"), worker("b", 1), worker("c", 0, { reserved: 2 })]],
    ["one that no reading names stays", 2, ["b"], abc, [worker("a", 1), worker("b")]],
    [
      "one that is not up goes first",
      1,
      ["c", "a", "b"],
      [member("a"), member("b"), member("c", { ready: false })],
      [worker("a"), worker("b")],
    ],
    [
      "one that is not up and has a job stays",
      2,
      ["b"],
      [member("a", { ready: false }), member("b"), member("c")],
      [worker("a", 1), worker("b")],
    ],
    ["a quiet one goes before the others", 1, ["b", "a", "c"], abc, [worker("a"), worker("b", 0, { quiet: true }), worker("c")]],
    [
      "the youngest goes first, the warm ones stay",
      1,
      ["b", "a", "c"],
      [member("a", { startedAt: long - 5 }), member("b", { startedAt: long }), member("c", { startedAt: long - 9 })],
      [worker("a"), worker("b"), worker("c")],
    ],
    [
      "one that leaves owns its job, and holds up nobody",
      1,
      ["b"],
      [member("a", { leaving: true }), member("b")],
      [worker("a", 1), worker("b")],
    ],
    ["workers of others do not matter", 1, ["a"], [member("a")], [worker("a"), worker("x", 3)]],
  ];
  for (const [name, to, removable, members, workers, changes] of tables) {
    test(name, () => {
      const decision = decided(crew(members), [one(workers, changes)]);
      assert.equal(decision.to, to);
      assert.deepEqual(decision.removable, removable);
    });
  }

  test("jobs of those that leave are no demand for others", () => {
    const workers = [worker("a", 1), worker("b", 1)];
    const leaving = crew([member("a", { leaving: true }), member("b", { leaving: true })]);
    const goal = { triggers: [trigger({ goal: { kind: "jobsPerReplica", jobs: 1 } })] };
    assert.equal(decided(leaving, [one(workers, { waiting: 0 })], goal).to, 0);
    assert.equal(decided(leaving, [one([...workers, worker("x", 1)], { waiting: 0 })], goal).to, 1, "a stranger's job still is");
  });

  test("a reading asked for before the pool last changed proves nothing", () => {
    const workers = [worker("a"), worker("b"), worker("c")];
    const decision = decided(crew(abc, { changedAt: noon - 500 }), [one(workers, {}, noon - 600)]);
    assert.equal(decision.to, 3);
    assert.equal(decision.reason, "WorkersBusy");
    assert.deepEqual([decision.busy, decision.unproven], [0, 3]);
    assert.equal(decision.summary, "stays 3: 3 kept: 3 not proven idle");
    assert.equal(decision.nextAt, noon + 1000);
  });

  test("busy is who has a job in hand, and who is kept without a proof is told apart", () => {
    const members = [member("a"), member("b"), member("c", { startedAt: noon - 100 })];
    const decision = decided(crew(members), [one([worker("a", 1), worker("b"), worker("c")], {}, noon - 200)]);
    assert.deepEqual([decision.busy, decision.unproven], [1, 1]);
    assert.match(decision.summary, /2 kept: 1 worker with jobs in hand, 1 not proven idle$/);
    const proven = decided(crew(members), [one([worker("a", 1), worker("b"), worker("c")])]);
    assert.deepEqual([proven.busy, proven.unproven], [1, undefined]);
  });

  test("numbers that were taken before the pool last changed prove nothing either", () => {
    const workers = [worker("a"), worker("b"), worker("c")];
    assert.equal(decided(crew(abc, { changedAt: noon - 500 }), [one(workers, { sampledAt: noon - 600 })]).to, 3);
  });

  test("a reading older than the member proves nothing of it", () => {
    const members = [member("a"), member("b", { startedAt: noon - 100 })];
    assert.deepEqual(decided(crew(members), [one([worker("a"), worker("b")], {}, noon - 200)]).removable, ["a"]);
  });

  test("every reading that names a member has to show it idle", () => {
    const two = { triggers: [trigger(), trigger({ name: "images" })] };
    const decision = decided(crew(abc), [one([worker("a"), worker("b"), worker("c")]), one([worker("b", 1)])], two);
    assert.deepEqual(decision.removable, ["a", "c"]);
  });

  test("running jobs that nobody is known to hold keep all whom that trigger does not name", () => {
    const two = { triggers: [trigger(), trigger({ name: "images" })] };
    const blind = seen({ waiting: 0, running: 2 });
    const decision = decided(crew(abc), [one([worker("a"), worker("b"), worker("c")]), blind], two);
    assert.equal(decision.to, 3);
    assert.deepEqual(decision.removable, []);
  });

  test("a schedule sees no workers, and holds up nobody", () => {
    const two = { triggers: [trigger(), trigger({ name: "hours", goal: { kind: "wants" as const } })] };
    const schedule = { reading: { wants: 1, sampledAt: noon }, sentAt: noon };
    assert.equal(decided(crew(abc), [one([worker("a"), worker("b"), worker("c")]), schedule], two).to, 1);
  });

  test("the stop grace alone protects where the rules say so", () => {
    const decision = decided(crew(abc), [one([worker("a", 1), worker("b", 1), worker("c", 1)])], {
      scaleDown: { protect: "grace", cooldownMs: 0 },
    });
    assert.equal(decision.to, 1);
    assert.equal(decision.removable, undefined);
  });

  test("busy workers only brake, and never grow a pool", () => {
    const decision = decided(crew(abc, { wanted: 2 }), [one([worker("a", 1), worker("b", 1), worker("c", 1)])]);
    assert.equal(decision.to, 2);
  });
});

describe("members that no reading ever named", () => {
  const abc = [member("a"), member("b"), member("c"), member("d")];

  test("are spared by the count of running jobs, and the user is told how to name them", () => {
    const decision = decided(crew(abc), [seen({ waiting: 1, running: 5 })], { concurrency: 2 }, false);
    assert.equal(decision.to, 3);
    assert.equal(decision.removable, undefined);
    assert.match(decision.summary, /5 jobs running, 2 per worker; .*WORKTIDE_WORKER_ID/);
  });

  test("are spared by the count of busy workers, where that is more", () => {
    const workers = [worker("x", 1), worker("y", 1), worker("z", 1)];
    assert.equal(decided(crew(abc), [one(workers)], { concurrency: 4 }, false).to, 3);
  });

  test("count as busy while they are young", () => {
    const young = abc.map((each) => ({ ...each, startedAt: noon - 3000 }));
    assert.equal(decided(crew(young), [seen({ waiting: 1 })], {}, false).to, 4);
  });

  test("count as busy once any was named", () => {
    const first = decide(situation({ pool: crew(abc), observations: [one([worker("a", 1)])] }));
    const later = situation({ pool: crew(abc), observations: [seen({ waiting: 1, workers: [] })], memory: first.memory });
    assert.equal(decide(later).decision.to, 4);
  });
});

describe("a pool that cannot name its members", () => {
  test("keeps as many as the running jobs need", () => {
    const decision = decided(pool(9), [seen({ waiting: 1, running: 9 })], { concurrency: 4 });
    assert.equal(decision.to, 3);
    assert.equal(decision.summary, "9 -> 3: 3 kept: 9 jobs running, 4 per worker");
  });

  test("adds up the running jobs of all triggers", () => {
    const two = { triggers: [trigger(), trigger({ name: "images" })] };
    assert.equal(decided(pool(9), [seen({ waiting: 1, running: 3 }), seen({ running: 2 })], two).to, 5);
  });
});
