import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Observation, Reading } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import { checkReading } from "../../src/core/reading.ts";
import { failed, noon, pool, reading, rules, seen, situation, trigger } from "./situation.ts";

const old = { uid: "p1" };

function alone(current: number, observation: Observation, changes = {}) {
  return decide(situation({ rules: rules(changes), pool: pool(current), observations: [observation], memory: old })).decision;
}

describe("a trigger that is not known", () => {
  const tables: [string, number, number, Observation][] = [
    ["holds the size when it was never read", 4, 4, {}],
    ["stays at zero when it was never read", 0, 0, {}],
    ["holds the size while it fails", 4, 4, failed(seen({ waiting: 10 }))],
    ["raises to what it last wanted", 4, 9, failed(seen({ waiting: 430 }, noon - 30_000))],
    ["does not raise to what it wanted long ago", 4, 4, failed(seen({ waiting: 430 }, noon - 60_001))],
    ["holds the size when its reading is old, though nothing failed", 4, 4, seen({}, noon - 4001)],
    ["lowers on a reading that is fresh to the last ms", 4, 1, seen({ waiting: 1 }, noon - 4000)],
    ["holds the size while running jobs are not known", 4, 4, { reading: { waiting: 10, sampledAt: noon }, sentAt: noon }],
    ["raises while only running jobs are not known", 4, 9, { reading: { waiting: 430, sampledAt: noon }, sentAt: noon }],
    ["holds the size while waiting jobs are not known", 4, 4, { reading: { running: 0, sampledAt: noon }, sentAt: noon }],
  ];
  for (const [name, from, to, observation] of tables) {
    test(name, () => assert.equal(alone(from, observation).to, to));
  }

  test("lowers without running jobs where the stop grace protects them", () => {
    const blind = { reading: { waiting: 10, sampledAt: noon }, sentAt: noon };
    assert.equal(alone(4, blind, { scaleDown: { protect: "grace", cooldownMs: 0 } }).to, 1);
  });

  test("is told with what was read last", () => {
    const decision = alone(4, failed(seen({ waiting: 120 }, noon - 30_000), 5, noon - 12_000));
    assert.equal(decision.reason, "ReadingsUnknown");
    assert.equal(decision.summary, "stays 4: 4 kept, as not all is known (mails: timed out, 5 times in 12 s)");
    assert.deepEqual(decision.triggers[0], {
      name: "mails",
      state: "stale",
      wants: 3,
      active: true,
      reading: "timed out, 5 times in 12 s (last 120 waiting)",
      goal: "50 waiting per worker",
      ageMs: 30_000,
    });
  });

  test("does not lower even above the maximum", () => {
    assert.equal(alone(20, failed(), { replicas: { min: 0, max: 10, idle: 0 } }).to, 20);
  });
});

describe("fallback", () => {
  const fallback = { fallback: { afterFailures: 3, replicas: 5 } };
  const tables: [string, number, number, Observation][] = [
    ["waits for so many failures", 0, 0, failed({}, 2)],
    ["raises from zero", 0, 5, failed({}, 3)],
    ["raises a smaller size", 2, 5, failed({}, 9)],
    ["never lowers", 8, 8, failed({}, 9)],
    ["gives way to a larger last good reading", 2, 9, failed(seen({ waiting: 430 }), 9)],
  ];
  for (const [name, from, to, observation] of tables) {
    test(name, () => {
      const decision = alone(from, observation, fallback);
      assert.equal(decision.to, to);
      if (to === 5) assert.equal(decision.reason, "Fallback");
    });
  }
});

describe("one of several triggers that is not known", () => {
  const two = rules({ triggers: [trigger(), trigger({ name: "images" })] });
  const both = (from: number, first: Observation, second: Observation) =>
    decide(situation({ rules: two, pool: pool(from), observations: [first, second], memory: old })).decision;

  test("lets the others raise", () => assert.equal(both(0, failed(), seen({ waiting: 430 })).to, 9));
  test("says nothing of holding where there is nothing to hold", () => {
    const decision = decide(
      situation({ rules: two, pool: pool(2), observations: [seen({ waiting: 430 }), failed()], memory: old }),
    ).decision;
    assert.equal(decision.to, 9);
    assert.deepEqual(
      decision.steps.map(({ rule }) => rule),
      ["combination"],
    );
  });

  test("lets nobody lower", () => {
    const decision = both(9, failed(), seen({ waiting: 10 }));
    assert.equal(decision.to, 9);
    assert.equal(decision.rule, "unknown");
  });
});

describe("a reading that makes no sense", () => {
  const nonsense: [string, Partial<Reading>][] = [
    ["a negative count", { waiting: -4 }],
    ["not a number", { waiting: Number.NaN }],
    ["an infinite count", { running: Number.POSITIVE_INFINITY }],
    ["a fraction of a job", { waiting: 1.5 }],
    ["more jobs than numbers can tell apart", { waiting: 1e300 }],
    ["text", { waiting: "7" as unknown as number }],
    ["null", { running: null as unknown as number }],
    ["a negative age", { oldestMs: -1 }],
    ["no time", { sampledAt: Number.NaN }],
    ["a worker with a negative count", { workers: [{ id: "a", busy: -1, seenAt: noon }] }],
    ["a worker that holds a fraction", { workers: [{ id: "a", busy: 0, reserved: 0.5, seenAt: noon }] }],
  ];
  for (const [name, changes] of nonsense) {
    test(`${name} is invalid, and holds the size`, () => {
      assert.equal(checkReading(reading(changes))?.kind, "invalid");
      assert.equal(alone(4, seen(changes)).to, 4);
      assert.equal(alone(0, seen(changes)).to, 0);
    });
  }

  test("a reading that makes sense is no problem", () => {
    assert.equal(checkReading(reading({ waiting: 3, oldestMs: 0.5, workers: [{ id: "a", busy: 1, seenAt: noon }] })), undefined);
  });

  test("a huge count asks for the maximum and no more", () => {
    assert.equal(alone(0, seen({ waiting: Number.MAX_SAFE_INTEGER })).to, 100);
  });
});
