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
    const stranger = decided(leaving, [one([...workers, worker("x", 1)], { waiting: 0 })], goal);
    assert.equal(stranger.to, 1, "a stranger's job still is");
    assert.match(stranger.summary, /wants 1: empty, 3 running \(2 of them with workers that leave; goal: 1 job per worker\)$/);
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

describe("members with several names", () => {
  const pods = ["a", "b", "c"].map((id, index) => member(id, { aliases: [`celery@${id}`, `10.0.0.${index}`] }));
  const tables: [string, readonly Worker[]][] = [
    ["by the name of the whole node", [worker("celery@a"), worker("celery@b", 1), worker("celery@c")]],
    ["by the host", [worker("w1", 0, { host: "a" }), worker("w2", 1, { host: "b" }), worker("w3", 0, { host: "c" })]],
    [
      "by address",
      [worker("x", 0, { host: "10.0.0.0" }), worker("y", 1, { host: "10.0.0.1" }), worker("z", 0, { host: "10.0.0.2" })],
    ],
    [
      "when several workers run in one",
      [worker("w1@a", 0, { host: "a" }), worker("w1@b", 0, { host: "b" }), worker("w2@b", 1, { host: "b" }), worker("celery@c")],
    ],
  ];
  for (const [name, workers] of tables) {
    test(`are found ${name}`, () => assert.deepEqual(decided(crew(pods), [one(workers)]).removable, ["a", "c"]));
  }

  test("own their jobs while they leave, under whatever name", () => {
    const goal = { triggers: [trigger({ goal: { kind: "jobsPerReplica", jobs: 1 } })] };
    const leaving = crew([member("a", { leaving: true, aliases: ["celery@a"] })]);
    assert.equal(decided(leaving, [one([worker("celery@a", 2, { host: "a" })], { waiting: 0 })], goal).to, 0);
  });

  test("are remembered as named", () => {
    const { memory } = decide(situation({ pool: crew(pods), observations: [one([worker("celery@a")])] }));
    assert.equal(memory.named, true);
  });
});

describe("a target that chooses itself who goes", () => {
  const abc = [member("a"), member("b"), member("c")];

  test("may lose the first ones as long as they are idle", () => {
    const top = crew(abc, { removal: { who: "first" } });
    assert.deepEqual(decided(top, [one([worker("a"), worker("b"), worker("c", 1)])]).removable, ["a", "b"]);
    const blocked = decided(top, [one([worker("a", 1), worker("b"), worker("c")])]);
    assert.deepEqual([blocked.to, blocked.removable], [3, []]);
    assert.match(blocked.summary, /3 kept: 1 worker with jobs in hand, 2 not proven idle, or behind one that is not$/);
  });

  test("may lose any only while all are idle", () => {
    const any = crew(abc, { removal: { who: "any", because: "a rollout is under way" } });
    assert.equal(decided(any, [one([worker("a"), worker("b"), worker("c")])]).to, 1);
    const held = decided(any, [one([worker("a"), worker("b"), worker("c", 1)])]);
    assert.deepEqual([held.to, held.removable], [3, []]);
    assert.match(held.summary, /a rollout is under way$/);
  });

  test("keeps all where none can go, even where the stop grace protects", () => {
    const jobs = pool(3, { removal: { who: "none", because: "Jobs run to their end" } });
    for (const protect of ["busy", "grace"] as const) {
      const decision = decided(jobs, [one([])], { scaleDown: { protect, cooldownMs: 0 } });
      assert.equal(decision.summary, "stays 3: 3 kept: Jobs run to their end");
      assert.equal(decision.nextAt, undefined);
    }
  });

  test("whoever has begun takes no more of what waits", () => {
    const jobs = pool(4, { removal: { who: "none" }, begun: 3 });
    const goal = { triggers: [trigger({ goal: { kind: "waitingPerReplica", jobs: 10 } })] };
    assert.equal(decided(jobs, [seen({ waiting: 25 })], goal).to, 6, "3 have begun, 3 are for those that wait");
    assert.equal(decided(jobs, [seen({ waiting: 10 })], goal).to, 4, "the one that has not begun is for these");
  });
});

describe("a target that must not grow", () => {
  test("stays at the zero that someone set, and says who", () => {
    const limit = { most: 0, reason: "Paused", because: "set to zero by kubectl" } as const;
    const decision = decided(pool(0, { limit }), [seen({ waiting: 100 })]);
    assert.deepEqual([decision.to, decision.rule, decision.reason], [0, "target", "Paused"]);
    assert.match(decision.summary, /stays 0: set to zero by kubectl/);
  });

  test("does not shrink for that", () => {
    const limit = { most: 2, reason: "WorkersFailing", because: "3 of 5 crash" } as const;
    assert.equal(decided(pool(5, { limit }), [seen({ waiting: 1000 })]).to, 5);
    assert.equal(decided(pool(1, { limit }), [seen({ waiting: 1000 })]).to, 2);
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

  test("counts once what two triggers see, as the one says that sees more of it", () => {
    const triggers = [trigger({ name: "tasks" }), trigger({ name: "beats", countedBy: "tasks" }), trigger({ name: "images" })];
    const kept = (tasks: Partial<Reading>, beats: Partial<Reading>) =>
      decided(pool(9), [seen({ waiting: 1, ...tasks }), seen(beats), seen({ running: 1 })], { triggers }).to;
    assert.equal(kept({ running: 3 }, { running: 2 }), 4);
    assert.equal(kept({ running: 2 }, { running: 4 }), 5, "the broker knows of what the database has not heard yet");
    const [tasks, beats] = [
      [worker("a.shop", 1), worker("b.shop", 1)],
      [worker("celery@a", 1), worker("celery@b", 1)],
    ];
    assert.equal(
      kept({ running: 2, workers: tasks }, { running: 2, workers: beats }),
      3,
      "though they call their workers otherwise",
    );
  });
});
