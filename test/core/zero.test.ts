import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Observation } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import { emptyMemory, type Memory } from "../../src/core/memory.ts";
import type { Pool, Rules } from "../../src/core/spec.ts";
import { failed, noon, pool, rules, seen, situation, trigger } from "./situation.ts";

/** Plays observations at their seconds upon a pool that keeps its size unless `apply`. */
function play(start: number, turns: readonly (readonly [number, Observation | Observation[]])[], changes: Partial<Rules> = {}) {
  let memory: Memory = emptyMemory;
  let size = start;
  return turns.map(([second, seenThen]) => {
    const now = noon + second * 1000;
    const observations = [seenThen].flat();
    const out = decide(situation({ rules: rules(changes), pool: pool(size), observations, memory, now }));
    memory = out.memory;
    size = out.decision.to;
    return out.decision;
  });
}
const at = (second: number, changes = {}) => seen(changes, noon + second * 1000);
const sizes = (decisions: readonly { to: number }[]) => decisions.map((decision) => decision.to);

describe("activation", () => {
  const waking = rules({ triggers: [trigger({ activation: 5 })] });
  const tables: [string, number, number, Rules, Observation][] = [
    ["any job wakes it", 0, 1, rules(), seen({ waiting: 1 })],
    ["a job that is due soon wakes it", 0, 1, rules(), seen({ dueSoon: 1 })],
    ["a running job keeps one", 3, 1, rules(), seen({ running: 1 })],
    [
      "a running job keeps one even where only the stop grace protects it",
      3,
      1,
      rules({ scaleDown: { protect: "grace", cooldownMs: 0 } }),
      seen({ running: 1 }),
    ],
    ["as many jobs as the activation do not wake it", 0, 0, waking, seen({ waiting: 5 })],
    ["one more does", 0, 1, waking, seen({ waiting: 6 })],
    ["the minimum counts while there is work", 0, 3, rules({ replicas: { min: 3, max: 9, idle: 0 } }), seen({ waiting: 1 })],
    ["the idle size counts while there is none", 0, 1, rules({ replicas: { min: 3, max: 9, idle: 1 } }), seen()],
    [
      "the minimum is kept while there is none, where it is the idle size",
      5,
      2,
      rules({ replicas: { min: 2, max: 9, idle: 2 } }),
      seen(),
    ],
  ];
  for (const [name, from, to, rule, observation] of tables) {
    test(name, () => {
      const start = situation({ rules: rule, pool: pool(from), observations: [observation], memory: { uid: "p1" } });
      assert.equal(decide(start).decision.to, to);
    });
  }
});

describe("cooldown", () => {
  const minute: Partial<Rules> = { scaleDown: { protect: "busy", cooldownMs: 60_000 } };

  const busyAt = (second: number) => [second, at(second, { waiting: 100 })] as const;
  const quietAt = (...seconds: number[]) => seconds.map((second) => [second, at(second)] as const);

  test("the last one stays until nothing was active for the cooldown", () => {
    const decisions = play(3, [busyAt(0), ...quietAt(10, 50, 69.9, 70)], minute);
    assert.deepEqual(sizes(decisions), [2, 1, 1, 1, 0]);
    assert.equal(decisions[1]?.reason, "CoolingDown");
    assert.equal(decisions[1]?.nextAt, noon + 70_000);
  });

  test("it begins anew with each job", () => {
    assert.deepEqual(sizes(play(1, [...quietAt(0, 30), busyAt(59), ...quietAt(60, 119.9, 120)], minute)), [1, 1, 2, 1, 1, 0]);
  });

  test("work that went on while nobody decided counts until its end", () => {
    assert.deepEqual(sizes(play(2, [busyAt(0), ...quietAt(600, 659, 660)], minute)), [2, 1, 1, 0]);
  });

  test("a trigger that was active when it was last known may be so still", () => {
    const outage = [300, failed(at(0, { waiting: 100 }))] as const;
    assert.deepEqual(sizes(play(2, [busyAt(0), outage, ...quietAt(600, 659, 660)], minute)), [2, 2, 1, 1, 0]);
  });

  test("a job that came and went between two readings begins it anew, by the counters", () => {
    const done = (second: number, finished: number) => [second, at(second, { finished })] as const;
    const decisions = play(1, [done(0, 7), done(30, 7), done(59, 8), done(60, 8), done(118.9, 8), done(119, 8)], minute);
    assert.deepEqual(sizes(decisions), [1, 1, 1, 1, 1, 0]);
  });

  test("a counter that went back is no job", () => {
    const done = (second: number, finished: number) => [second, at(second, { finished })] as const;
    assert.deepEqual(sizes(play(1, [done(0, 7), done(30, 3), done(59.9, 3), done(60, 3)], minute)), [1, 1, 1, 0]);
  });

  test("a start begins it, since nothing is known of before", () => {
    assert.deepEqual(
      sizes(
        play(
          1,
          [
            [0, at(0)],
            [30, at(30)],
            [60, at(60)],
          ],
          minute,
        ),
      ),
      [1, 1, 0],
    );
  });

  test("with an idle size it is the way from the minimum to that", () => {
    const idle = { ...minute, replicas: { min: 3, max: 9, idle: 1 } };
    assert.deepEqual(
      sizes(
        play(
          5,
          [
            [0, at(0)],
            [30, at(30)],
            [60, at(60)],
          ],
          idle,
        ),
      ),
      [3, 3, 1],
    );
  });

  test("it does not hold sizes above", () => {
    assert.deepEqual(sizes(play(9, [[0, at(0)]], minute)), [1]);
  });
});

describe("zero", () => {
  test("needs two readings of nothing, 5 s apart", () => {
    const decisions = play(2, [
      [0, at(0)],
      [4.9, at(4.9)],
      [5, at(5)],
    ]);
    assert.deepEqual(sizes(decisions), [1, 1, 0]);
    assert.equal(decisions[0]?.reason, "ZeroUnproven");
    assert.equal(decisions[0]?.nextAt, noon + 5000);
  });

  test("needs them an interval apart, where that is longer", () => {
    const slow = { triggers: [trigger({ intervalMs: 30_000 })] };
    assert.deepEqual(
      sizes(
        play(
          1,
          [
            [0, at(0)],
            [10, at(10)],
            [30, at(30)],
          ],
          slow,
        ),
      ),
      [1, 1, 0],
    );
  });

  test("the same reading again is no second one", () => {
    assert.deepEqual(
      sizes(
        play(1, [
          [0, at(0)],
          [3, at(0)],
          [4, at(0)],
        ]),
      ),
      [1, 1, 1],
    );
  });

  const breaks: [string, Observation][] = [
    ["a failure in between", failed(at(0))],
    ["a job in between", at(3, { waiting: 1 })],
    ["a running job in between", at(3, { running: 1 })],
    ["a fetched job in between", at(3, { reserved: 1 })],
    ["other data", at(3, { epoch: "e2" })],
    ["data without identity", { reading: { waiting: 0, running: 0, sampledAt: noon + 3000 }, sentAt: noon + 3000 }],
  ];
  for (const [name, between] of breaks) {
    test(`${name} begins the proof anew`, () => {
      assert.deepEqual(
        sizes(
          play(1, [
            [0, at(0)],
            [3, between],
            [6, at(6)],
            [10.9, at(10.9)],
            [11, at(11)],
          ]),
        ),
        [1, 1, 1, 1, 0],
      );
    });
  }

  test("data that never tell their identity need two readings too", () => {
    const plain = (second: number): Observation => ({
      reading: { waiting: 0, running: 0, sampledAt: noon + second * 1000 },
      sentAt: noon + second * 1000,
    });
    assert.deepEqual(
      sizes(
        play(1, [
          [0, plain(0)],
          [5, plain(5)],
        ]),
      ),
      [1, 0],
    );
  });

  test("needs the proof of every trigger", () => {
    const two = { triggers: [trigger(), trigger({ name: "images" })] };
    const turns: [number, Observation[]][] = [
      [0, [at(0), at(0, { waiting: 1 })]],
      [5, [at(5), at(5)]],
      [10, [at(10), at(10)]],
    ];
    assert.deepEqual(sizes(play(1, turns, two)), [1, 1, 0]);
  });

  test("of a schedule one reading is enough", () => {
    const schedule = { triggers: [trigger({ goal: { kind: "wants" } })] };
    const asks = (wants: number): Observation => ({ reading: { wants, until: "18:00", sampledAt: noon }, sentAt: noon });
    const decisions = play(
      2,
      [
        [0, asks(2)],
        [0, asks(0)],
      ],
      schedule,
    );
    assert.deepEqual(sizes(decisions), [2, 0]);
    assert.equal(decisions[0]?.reason, "Schedule");
  });

  test("an order for zero needs none", () => {
    assert.deepEqual(sizes(play(2, [[0, at(0, { waiting: 9 })]], { replicas: { min: 0, max: 0, idle: 0 } })), [0]);
  });

  test("a fall by more than half with new data lowers nothing for a minute", () => {
    const decisions = play(5, [
      [0, at(0, { waiting: 250 })],
      [1, at(1, { waiting: 60, epoch: "e2" })],
      [60, at(60, { waiting: 60, epoch: "e2" })],
      [61, at(61, { waiting: 60, epoch: "e2" })],
    ]);
    assert.deepEqual(sizes(decisions), [5, 5, 5, 2]);
    assert.equal(decisions[1]?.reason, "NewEpoch");
    assert.equal(decisions[1]?.nextAt, noon + 61_000);
  });

  test("a fall by half does lower, and so does a fall without new data", () => {
    assert.deepEqual(
      sizes(
        play(4, [
          [0, at(0, { waiting: 200 })],
          [1, at(1, { waiting: 100, epoch: "e2" })],
        ]),
      ),
      [4, 2],
    );
    assert.deepEqual(
      sizes(
        play(4, [
          [0, at(0, { waiting: 200 })],
          [1, at(1, { waiting: 10 })],
        ]),
      ),
      [4, 1],
    );
  });
});

describe("bounds", () => {
  const ten = { replicas: { min: 2, max: 10, idle: 2 } };
  const out = (from: number, observation: Observation, changes: Partial<Rules> = ten, memory: Memory = { uid: "p1" }) =>
    decide(situation({ rules: rules(changes), pool: pool(from), observations: [observation], memory })).decision;

  test("the maximum", () => {
    const decision = out(3, seen({ waiting: 5000 }));
    assert.equal(decision.to, 10);
    assert.equal(decision.reason, "AtMaximum");
  });
  test("the minimum", () => assert.equal(out(5, seen({ waiting: 1 })).to, 2));
  test("below the minimum it goes there at once, past any window", () => {
    const slow = { ...rules().behavior, scaleUp: { ...rules().behavior.scaleUp, stabilizationWindowSeconds: 600 } };
    assert.equal(out(0, seen(), { ...ten, behavior: slow }, emptyMemory).to, 2);
  });
  test("above the maximum it goes there at once, past any window, and not below", () => {
    const slow = { ...rules().behavior, scaleDown: { ...rules().behavior.scaleDown, stabilizationWindowSeconds: 600 } };
    assert.equal(out(20, seen({ waiting: 1 }), { ...ten, behavior: slow }, emptyMemory).to, 10);
  });
  test("above the maximum no step limit holds it, not even a disabled direction", () => {
    const still = { ...rules().behavior, scaleDown: { ...rules().behavior.scaleDown, selectPolicy: "Disabled" as const } };
    assert.equal(out(20, seen({ waiting: 1 }), { ...ten, behavior: still }).to, 10);
  });
  test("above the maximum it waits for jobs in hand", () => {
    const decision = out(20, seen({ waiting: 1, running: 14 }));
    assert.equal(decision.to, 14);
    assert.equal(decision.reason, "WorkersBusy");
  });
  test("a hard maximum counts those who are leaving, told so or not seen yet, and lets the pool grow as they end", () => {
    const hard = rules({ replicas: { min: 0, max: 10, idle: 0, hardMax: true } });
    const to = (wanted: number, changes: Partial<Pool>, by = hard) =>
      decide(
        situation({ rules: by, pool: pool(wanted, changes), observations: [seen({ waiting: 5000 })], memory: { uid: "p1" } }),
      ).decision;
    assert.equal(to(2, { leaving: 6 }).to, 4);
    assert.match(to(2, { leaving: 6 }).steps.at(-1)?.message ?? "", /6 still leaving count towards the maximum of 10/);
    assert.equal(to(2, { existing: 9 }).to, 3, "seven of nine are about to go");
    assert.equal(to(2, { leaving: 9 }).to, 2, "nobody goes for that");
    assert.equal(to(4, { existing: 1, leaving: 3 }).to, 7, "three come, three leave");
    assert.equal(to(2, { leaving: 0 }).to, 10);
    assert.equal(to(2, { leaving: 6 }, rules({ replicas: { min: 0, max: 10, idle: 0 } })).to, 10);
  });
  test("above the maximum it never grows", () => assert.equal(out(20, seen({ waiting: 5000, running: 20 })).to, 20));
});

describe("pause", () => {
  const paused = (directions: "Both" | "Up" | "Down", from: number, waiting: number, changes: Partial<Rules> = {}) =>
    decide(
      situation({
        rules: rules({ pause: { directions, reason: "migration" }, ...changes }),
        pool: pool(from),
        observations: [seen({ waiting })],
        memory: { uid: "p1" },
      }),
    ).decision;

  test("holds the way up", () => assert.equal(paused("Up", 1, 500).to, 1));
  test("and lets the other way go", () => assert.equal(paused("Up", 5, 50).to, 1));
  test("holds the way down", () => assert.equal(paused("Down", 5, 50).to, 5));
  test("holds both, and says who asked for it", () => {
    const decision = paused("Both", 1, 500);
    assert.equal(decision.to, 1);
    assert.equal(decision.reason, "Paused");
    assert.equal(decision.summary, "stays 1: scaling is paused: migration");
  });
  test("holds above a maximum too", () => {
    assert.equal(paused("Both", 20, 50, { replicas: { min: 0, max: 10, idle: 0 } }).to, 20);
  });
});

describe("memory", () => {
  test("of another pool does not count", () => {
    const slow = { ...rules().behavior, scaleDown: { ...rules().behavior.scaleDown, stabilizationWindowSeconds: 60 } };
    const first = decide(situation({ rules: rules({ behavior: slow }), pool: pool(1), observations: [seen({ waiting: 50 })] }));
    const now = noon + 90_000;
    const next = (uid: string) =>
      decide(
        situation({
          rules: rules({ behavior: slow }),
          pool: pool(3, { uid }),
          observations: [seen({ waiting: 50 }, now)],
          memory: first.memory,
          now,
        }),
      ).decision.to;
    assert.equal(next("p1"), 1);
    assert.equal(next("p2"), 3);
  });

  test("of other rules does not prove a zero", () => {
    const first = decide(situation({ pool: pool(1) }));
    const now = noon + 6000;
    const again = situation({
      rules: rules({ generation: 2 }),
      pool: pool(1),
      observations: [seen({}, now)],
      memory: first.memory,
      now,
    });
    assert.equal(decide(again).decision.to, 1);
  });
});
