import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { downLimit, upLimit } from "../../src/core/behavior.ts";
import { decide } from "../../src/core/decide.ts";
import { emptyMemory, type Memory, recordScale } from "../../src/core/memory.ts";
import type { Direction, Policy } from "../../src/core/spec.ts";
import { failed, free, noon, pool, rules, seen, situation } from "./situation.ts";

const pods = (value: number, periodSeconds = 60): Policy => ({ type: "Pods", value, periodSeconds });
const percent = (value: number, periodSeconds = 60): Policy => ({ type: "Percent", value, periodSeconds });
const by = (policies: readonly Policy[], selectPolicy: Direction["selectPolicy"] = "Max"): Direction => ({
  ...free,
  policies,
  selectPolicy,
});

/** One decision with 1 job a worker, so that the backlog is the wish. */
function step(wanted: number, wish: number, behavior: { up?: Direction; down?: Direction }, memory: Memory = emptyMemory) {
  return decide(
    situation({
      rules: rules({
        replicas: { min: 0, max: 100_000, idle: 0 },
        triggers: [{ name: "mails", goal: { kind: "waitingPerReplica", jobs: 1 }, activation: 0, intervalMs: 1000 }],
        behavior: { scaleUp: behavior.up ?? free, scaleDown: behavior.down ?? free },
      }),
      pool: pool(wanted),
      observations: [seen({ waiting: wish })],
      memory,
    }),
  ).decision;
}

describe("step limits", () => {
  const limits: [string, number, number, Direction, Memory?][] = [
    ["100 and 10 % are 111, as doubles have it", 100, 111, by([percent(10)])],
    ["50 and 10 % are 56", 50, 56, by([percent(10)])],
    ["25 and 12 % are 29", 25, 29, by([percent(12)])],
    ["10 and 100 % are 20", 10, 20, by([percent(100)])],
    ["a count of pods is added", 10, 14, by([pods(4)])],
    ["Max takes the larger of two", 10, 20, by([pods(4), percent(100)])],
    ["Min takes the smaller of two", 10, 14, by([pods(4), percent(100)], "Min")],
    ["percents of nothing wake the first one", 0, 1, by([percent(100)])],
    ["Disabled allows nothing, whatever the policies say", 10, 10, by([pods(4)], "Disabled")],
    ["what was added within the period is taken off the start", 10, 10, by([pods(4)]), recordScale({}, 6, 10, noon - 59_999)],
    [
      "what was added a whole period ago is not: the edge is strict",
      10,
      14,
      by([pods(4)]),
      recordScale({}, 6, 10, noon - 60_000),
    ],
    ["what was removed within the period gives credit", 6, 14, by([pods(4)]), recordScale({}, 10, 6, noon - 1000)],
    ["each policy counts its own period", 10, 13, by([pods(4, 60), pods(3, 15)]), recordScale({}, 6, 10, noon - 20_000)],
    ["beyond 32 bits it saturates", 2_000_000_000, 2_147_483_647, by([percent(900)])],
  ];
  for (const [name, current, limit, direction, memory] of limits) {
    test(`up: ${name}`, () => assert.equal(upLimit(direction, current, memory ?? emptyMemory, noon), limit));
  }

  const floors: [string, number, number, Direction, Memory?][] = [
    ["10 less 90 % is 0, as doubles have it", 10, 0, by([percent(90)])],
    ["20 less 80 % is 3", 20, 3, by([percent(80)])],
    ["10 less 80 % is 1", 10, 1, by([percent(80)])],
    ["10 less 50 % is 5", 10, 5, by([percent(50)])],
    ["a count of pods is taken off", 10, 6, by([pods(4)])],
    ["Max takes the larger change", 10, 1, by([pods(4), percent(80), pods(8)], "Max")],
    ["Min takes the smaller change", 10, 6, by([pods(4), percent(50)], "Min")],
    ["Disabled allows nothing", 10, 10, by([], "Disabled")],
    ["what was removed within the period is put back to the start", 6, 6, by([pods(4)]), recordScale({}, 10, 6, noon - 1)],
    ["what was added within the period gives credit", 10, 2, by([pods(4)]), recordScale({}, 6, 10, noon - 1)],
  ];
  for (const [name, current, limit, direction, memory] of floors) {
    test(`down: ${name}`, () => {
      assert.equal(downLimit(direction, current, memory ?? emptyMemory, noon), limit);
    });
  }

  test("a limit below the present size does not pull it down", () => {
    const memory = recordScale(emptyMemory, 1, 10, noon - 1000);
    assert.equal(step(10, 50, { up: by([pods(2)]) }, memory).to, 10);
  });

  test("a limit above the present size does not push it up", () => {
    const memory = recordScale(emptyMemory, 20, 10, noon - 1000);
    assert.equal(step(10, 3, { down: by([pods(2)]) }, memory).to, 10);
  });

  test("a step that is limited says when more is allowed", () => {
    const memory = recordScale(emptyMemory, 6, 10, noon - 20_000);
    const decision = step(10, 50, { up: by([pods(6)]) }, memory);
    assert.equal(decision.to, 12);
    assert.equal(decision.reason, "StepLimit");
    assert.equal(decision.nextAt, noon + 40_000);
  });

  test("without policies a step is not limited", () => {
    assert.equal(step(0, 80_000, {}).to, 80_000);
    assert.equal(step(80_000, 1, { down: free }, { uid: "p1" }).to, 1);
  });

  test("a pool that may not scale up by its behavior still leaves zero for its minimum", () => {
    const start = situation({
      rules: rules({ replicas: { min: 3, max: 10, idle: 0 }, behavior: { scaleUp: by([], "Disabled"), scaleDown: free } }),
      observations: [seen({ waiting: 400 })],
    });
    assert.equal(decide(start).decision.to, 3);
  });
});

describe("stabilisation", () => {
  const minute: Direction = { ...free, stabilizationWindowSeconds: 60 };

  /** Asks for each wish at its second, applies every decision, and returns the sizes. */
  function play(start: number, wishes: readonly (readonly [number, number])[], up: Direction, down: Direction): number[] {
    let memory = emptyMemory;
    let size = start;
    return wishes.map(([second, wish]) => {
      const now = noon + second * 1000;
      const out = decide(
        situation({
          rules: rules({
            triggers: [{ name: "mails", goal: { kind: "waitingPerReplica", jobs: 1 }, activation: 0, intervalMs: 1000 }],
            behavior: { scaleUp: up, scaleDown: down },
          }),
          pool: pool(size),
          observations: [seen({ waiting: wish }, now)],
          memory,
          now,
        }),
      );
      memory = recordScale(out.memory, size, out.decision.to, now);
      size = out.decision.to;
      return size;
    });
  }

  const tables: [string, number, [number, number][], Direction, Direction, number[]][] = [
    [
      "a start keeps the present size for a whole down window",
      8,
      [
        [0, 2],
        [59.999, 2],
        [60, 2],
      ],
      free,
      minute,
      [8, 8, 2],
    ],
    [
      "with an up window a start does not grow either",
      2,
      [
        [0, 8],
        [59.999, 8],
        [60, 8],
      ],
      minute,
      free,
      [2, 2, 8],
    ],
    [
      "the largest wish of the window counts",
      1,
      [
        [0, 9],
        [1, 5],
        [30, 3],
        [60, 3],
        [61, 3],
        [90, 3],
      ],
      free,
      minute,
      [9, 9, 9, 9, 5, 3],
    ],
    [
      "a wish is in force until the next one, however long that takes",
      1,
      [
        [0, 9],
        [1000, 2],
        [1059, 2],
        [1060, 2],
      ],
      free,
      minute,
      [9, 9, 9, 2],
    ],
    [
      "a dip does not shrink",
      1,
      [
        [0, 9],
        [10, 1],
        [20, 9],
        [75, 9],
      ],
      free,
      minute,
      [9, 9, 9, 9],
    ],
    [
      "a wish to shrink never grows the pool",
      5,
      [
        [0, 9],
        [1, 2],
        [2, 9],
      ],
      { ...free, stabilizationWindowSeconds: 3600 },
      minute,
      [5, 5, 5],
    ],
  ];
  for (const [name, start, wishes, up, down, sizes] of tables) {
    test(name, () => assert.deepEqual(play(start, wishes, up, down), sizes));
  }

  test("it says when the window ends, and the size changes right then", () => {
    const down = { ...free, stabilizationWindowSeconds: 7 };
    const rule = rules({ behavior: { scaleUp: free, scaleDown: down } });
    const first = decide(situation({ rules: rule, pool: pool(8), observations: [seen({ waiting: 60 })] }));
    assert.equal(first.decision.reason, "Stabilising");
    assert.equal(first.decision.nextAt, noon + 7000);
    const now = noon + 7000;
    const again = situation({
      rules: rule,
      pool: pool(8),
      observations: [seen({ waiting: 60 }, now)],
      memory: first.memory,
      now,
    });
    assert.equal(decide(again).decision.to, 2);
  });

  test("a size that is only held through an outage is no wish: it holds nothing after", () => {
    const rule = rules({ behavior: { scaleUp: free, scaleDown: minute } });
    let memory = emptyMemory;
    const turns = [
      [0, 430],
      [1, 60],
      [50, undefined],
      [61, 60],
    ] as const;
    const sizes = turns.map(([second, waiting]) => {
      const now = noon + second * 1000;
      const observation = waiting === undefined ? failed(seen({ waiting: 60 }, now)) : seen({ waiting }, now);
      const out = decide(situation({ rules: rule, pool: pool(9), observations: [observation], memory, now }));
      memory = out.memory;
      return out.decision.to;
    });
    assert.deepEqual(sizes, [9, 9, 9, 2]);
  });

  test("events of different times leave the period one by one", () => {
    const memory = recordScale(recordScale(emptyMemory, 1, 3, noon - 70_000), 3, 8, noon - 10_000);
    assert.equal(upLimit(by([pods(6)]), 8, memory, noon), 9);
  });

  test("the target's moves do not count when the write failed", () => {
    const up = by([pods(4)]);
    const start = situation({
      rules: rules({ behavior: { scaleUp: up, scaleDown: free } }),
      pool: pool(1),
      observations: [seen({ waiting: 5000 })],
    });
    const first = decide(start);
    const second = decide({ ...start, memory: first.memory });
    assert.equal(first.decision.to, 5);
    assert.equal(second.decision.to, 5);
  });
});
