import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Reading } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import type { Goal } from "../../src/core/spec.ts";
import { free, noon, pool, reading, rules, seen, situation, trigger } from "./situation.ts";

const each = (jobs: number): Goal => ({ kind: "waitingPerReplica", jobs });
const all = (jobs: number): Goal => ({ kind: "jobsPerReplica", jobs });
const start = (ms: number, serviceMs?: number, perSecond?: number): Goal => ({
  kind: "startWithin",
  ms,
  ...(serviceMs === undefined ? {} : { serviceMs }),
  ...(perSecond === undefined ? {} : { perSecond }),
});
const drain = (ms: number, serviceMs: number): Goal => ({ kind: "drainWithin", ms, serviceMs });

function wanted(goal: Goal, reading: Partial<Reading>, concurrency = 1): number {
  const rule = rules({ triggers: [trigger({ goal })], concurrency, replicas: { min: 0, max: 1e9, idle: 0 } });
  return decide(situation({ rules: rule, observations: [seen(reading)] })).decision.to;
}

describe("demand of one trigger", () => {
  const tables: [string, number, Goal, Partial<Reading>, number?][] = [
    ["nothing wants nothing", 0, each(50), {}],
    ["one job wants one", 1, each(50), { waiting: 1 }],
    ["a full share wants one", 1, each(50), { waiting: 50 }],
    ["one more than a share wants two", 2, each(50), { waiting: 51 }],
    ["jobs due soon count as waiting", 2, each(50), { waiting: 30, dueSoon: 21 }],
    ["running jobs do not count per waiting", 1, each(50), { waiting: 50, running: 40 }],
    ["running and fetched jobs count per job", 3, all(4), { waiting: 3, running: 5, reserved: 1 }],
    ["a share of a fraction works", 20, each(0.5), { waiting: 10 }],
    ["10 jobs of 30 s that start within 30 s want half as many", 5, start(30_000, 30_000), { waiting: 10 }],
    ["arrivals come on top: 2 a second of 3 s keep 6 busy", 11, start(30_000, 3000, 2), { waiting: 50, running: 6 }],
    ["slots are shared by concurrency", 3, start(30_000, 3000, 2), { waiting: 50, running: 6 }, 4],
    ["never more slots than jobs", 3, start(1, 600_000, 100), { waiting: 2, running: 1 }],
    ["60 jobs of 10 s within 60 s want 10", 10, drain(60_000, 10_000), { waiting: 60 }],
    ["one job that lasts longer than the time wants one", 1, drain(60_000, 600_000), { waiting: 1 }],
    ["dust of doubles does not add a worker", 7, drain(1000, 100), { waiting: 70 }],
    ["a ceiling caps", 2, each(1), { waiting: 100, ceiling: 8 }, 4],
    ["a schedule is taken as it is", 7, { kind: "wants" }, { wants: 7 }],
  ];
  for (const [name, to, goal, reading, concurrency] of tables) {
    test(name, () => assert.equal(wanted(goal, reading, concurrency), to));
  }

  test("arrivals alone start no worker where nothing waits and nobody knows what runs", () => {
    const { running: _, ...rest } = reading({ waiting: 0 });
    const often = rules({ triggers: [trigger({ goal: start(5000, 2500, 2) })] });
    const sized = (present: number, waiting: number) => {
      const observations = [{ reading: { ...rest, waiting }, sentAt: noon }];
      return decide(situation({ rules: often, observations, pool: pool(present), memory: { uid: "p1" } })).decision.to;
    };
    assert.deepEqual([sized(0, 0), sized(2, 0)], [0, 2]);
    assert.deepEqual([sized(0, 3), sized(2, 3)], [3, 5], "what waits counts, and those there may all have a job");
  });

  test("a paused queue keeps no workers for what waits", () => {
    const paused = seen({ waiting: 400, ceiling: 0, ceilingReason: "paused" });
    assert.equal(decide(situation({ observations: [paused] })).decision.to, 0);
    const { decision } = decide(situation({ observations: [paused], pool: pool(3), memory: { uid: "p1" } }));
    assert.match(decision.triggers[0]?.reading ?? "", /400 waiting, paused/);
  });

  test("a cap says why", () => {
    const capped = seen({ waiting: 400, ceiling: 4, ceilingReason: "global concurrency 4" });
    const { decision } = decide(situation({ rules: rules({ triggers: [trigger({ goal: each(1) })] }), observations: [capped] }));
    assert.equal(
      decision.summary,
      "0 -> 4: mails wants 4: 400 waiting (goal: 1 waiting per worker; no more: global concurrency 4)",
    );
  });

  test("the summary reads as one sentence", () => {
    const { decision } = decide(situation({ pool: pool(4), observations: [seen({ waiting: 430 })] }));
    assert.equal(decision.summary, "4 -> 9: mails wants 9: 430 waiting (goal: 50 waiting per worker)");
  });

  test("of an empty queue no goal is told, and no age of nothing", () => {
    const rule = rules({ triggers: [trigger({ goal: { kind: "jobsPerReplica", jobs: 4 } })] });
    const empty = decide(situation({ rules: rule, pool: pool(4), memory: { uid: "p1" } })).decision;
    assert.equal(empty.steps[0]?.message, "mails wants 0: empty");
    assert.equal(empty.triggers[0]?.goal, "4 jobs per worker");
    const { decision } = decide(situation({ observations: [seen({ waiting: 3, oldestMs: 0 })] }));
    assert.equal(decision.triggers[0]?.reading, "3 waiting");
  });

  test("a service time that nobody knows is said to be assumed", () => {
    const rule = rules({ triggers: [trigger({ goal: start(30_000) })] });
    const { decision } = decide(situation({ rules: rule, observations: [seen({ waiting: 10 })] }));
    assert.equal(decision.to, 5);
    assert.match(decision.summary, /service time not known yet \(30 s assumed\)/);
  });

  test("a hint is said to be given", () => {
    const rule = rules({ triggers: [trigger({ goal: start(30_000, 2000, 3) })] });
    const { decision } = decide(situation({ rules: rule, observations: [seen({ waiting: 100 })] }));
    assert.match(decision.summary, /service time 2 s \(as given\), 3 jobs\/s/);
  });
});

describe("combination", () => {
  const two = rules({ triggers: [trigger(), trigger({ name: "images", goal: each(2) })] });

  test("the largest demand decides", () => {
    const { decision } = decide(situation({ rules: two, observations: [seen({ waiting: 120 }), seen({ waiting: 9 })] }));
    assert.equal(decision.to, 5);
    assert.equal(decision.decides, "images");
    assert.equal(decision.rule, "combination");
    assert.deepEqual(
      decision.triggers.map((one) => one.wants),
      [3, 5],
    );
  });

  test("of equals the first decides", () => {
    const { decision } = decide(situation({ rules: two, observations: [seen({ waiting: 100 }), seen({ waiting: 4 })] }));
    assert.equal(decision.decides, "mails");
  });
});

describe("tolerance", () => {
  // 1 job a worker at 10 workers: the ratio is the backlog over 10.
  const tables: [string, number, number, number][] = [
    ["9 of 10 is within 10 % down", 9, 10, 0.1],
    ["8 of 10 is not", 8, 8, 0.1],
    ["11 of 10 is within 10 % up", 11, 10, 0.1],
    ["12 of 10 is not", 12, 12, 0.1],
    ["without tolerance 11 is 11", 11, 11, 0],
  ];
  for (const [name, waiting, to, tolerance] of tables) {
    test(name, () => {
      const direction = { ...free, tolerance };
      const rule = rules({ triggers: [trigger({ goal: each(1) })], behavior: { scaleUp: direction, scaleDown: direction } });
      const { decision } = decide(
        situation({ rules: rule, pool: pool(10), observations: [seen({ waiting })], memory: { uid: "p1" } }),
      );
      assert.equal(decision.to, to);
      assert.equal(decision.reason, to === 10 ? "WithinTolerance" : "WorkWaiting");
    });
  }

  test("the exact demand is compared, not the rounded one", () => {
    const direction = { ...free, tolerance: 0.1 };
    const rule = rules({ behavior: { scaleUp: direction, scaleDown: direction } });
    const { decision } = decide(situation({ rules: rule, pool: pool(1), observations: [seen({ waiting: 55 })] }));
    assert.equal(decision.to, 1);
  });

  test("each direction has its own", () => {
    const rule = rules({
      triggers: [trigger({ goal: each(1) })],
      behavior: { scaleUp: free, scaleDown: { ...free, tolerance: 0.5 } },
    });
    assert.equal(decide(situation({ rules: rule, pool: pool(10), observations: [seen({ waiting: 5 })] })).decision.to, 10);
    assert.equal(decide(situation({ rules: rule, pool: pool(10), observations: [seen({ waiting: 11 })] })).decision.to, 11);
  });

  test("from zero there is none", () => {
    const direction = { ...free, tolerance: 1 };
    const rule = rules({ behavior: { scaleUp: direction, scaleDown: direction } });
    assert.equal(decide(situation({ rules: rule, observations: [seen({ waiting: 1 })] })).decision.to, 1);
  });
});
