import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseFormula } from "../../src/api/formula.ts";
import type { Observation } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import { whatWouldChange } from "../../src/core/explain.ts";
import type { Formula } from "../../src/core/formula.ts";
import type { Rules } from "../../src/core/spec.ts";
import { failed, free, noon, pool, rules, seen, situation, trigger } from "./situation.ts";

function formula(text: string): Formula {
  const parsed = parseFormula(text, ["mails", "reports"]);
  if ("wrong" in parsed) throw new Error(parsed.wrong);
  return parsed;
}

const jobs = { kind: "waitingPerReplica", jobs: 10 } as const;
const sized = (text: string, changes: Partial<Rules> = {}): Rules =>
  rules({ triggers: [trigger({ goal: jobs }), trigger({ name: "reports", goal: jobs })], formula: formula(text), ...changes });

const gone: Observation = failed({}, 1);

function decided(text: string, [mails, reports]: readonly [Observation, Observation], wanted = 0, changes: Partial<Rules> = {}) {
  return decide(situation({ rules: sized(text, changes), pool: pool(wanted), observations: [mails, reports] })).decision;
}

describe("a formula", () => {
  test("takes the place of the largest demand, rounded up, and is explained with its values", () => {
    const decision = decided("max(mails, reports / 2.0)", [seen({ waiting: 20 }), seen({ waiting: 90 })]);
    assert.equal(decision.to, 5);
    assert.equal(decision.rule, "combination");
    assert.equal(decision.reason, "WorkWaiting");
    assert.equal(decision.summary, "0 -> 5: formula max(mails, reports / 2.0) = 4.5 (mails 2, reports 9)");
    assert.equal(decision.decides, undefined);
    assert.equal(decided("mails + reports", [seen({ waiting: 20 }), seen({ waiting: 90 })]).to, 11);
  });

  test("is held by the bounds and by the jobs in hand", () => {
    const some = [seen({ waiting: 20, running: 4 }), seen({ waiting: 90 })] as const;
    assert.equal(decided("mails * 1000.0", some).to, 100);
    assert.equal(decided("mails - 50.0", some, 6).to, 4);
    assert.equal(decided("mails - 50.0", some).to, 1, "while there is work there is one");
  });

  test("that needs what is not known holds the size, and says what it needs", () => {
    const decision = decided("max(mails, reports)", [gone, seen({ waiting: 900 })], 3);
    assert.equal(decision.to, 3);
    assert.equal(decision.reason, "ReadingsUnknown");
    assert.match(decision.summary, /the formula needs mails/);
  });

  test("may raise without what is not known where it asks, and never lower", () => {
    const text = "known(mails) ? mails + reports : reports";
    assert.equal(decided(text, [gone, seen({ waiting: 80 })], 3).to, 8);
    assert.equal(decided(text, [gone, seen({ waiting: 10 })], 3).to, 3);
    assert.equal(decided(text, [seen({ waiting: 10 }), seen({ waiting: 10 })], 3).to, 2);
  });

  test("takes the last good value of what is not known, while it is recent, to raise", () => {
    const late = failed(seen({ waiting: 60 }, noon - 5000));
    assert.equal(decided("mails + reports", [late, seen({ waiting: 20 })], 3).to, 8);
    const old = failed(seen({ waiting: 60 }, noon - 70_000));
    assert.equal(decided("mails + reports", [old, seen({ waiting: 20 })], 3).to, 3);
  });

  test("that gives no number lowers nothing, and says so", () => {
    const empty = [seen({ waiting: 0 }), seen({ waiting: 0 })] as const;
    const decision = decided("mails / reports", empty, 4);
    assert.equal(decision.to, 4);
    assert.match(decision.summary, /formula mails \/ reports = NaN \(mails 0, reports 0\), which is no size/);
    assert.equal(decided("(mails + 1.0) / reports", empty, 4).to, 4);
  });

  test("leaves room for the fallback", () => {
    const long = failed({}, 3);
    const decision = decided("mails + reports", [long, seen({ waiting: 0 })], 2, { fallback: { afterFailures: 3, replicas: 5 } });
    assert.deepEqual([decision.to, decision.reason], [5, "Fallback"]);
  });

  test("has one tolerance: its own, not one for each trigger", () => {
    const behavior = { scaleUp: { ...free, tolerance: 0.1 }, scaleDown: { ...free, tolerance: 0.1 } };
    const of = (mails: number) => decided("mails * 2.0", [seen({ waiting: mails }), seen()], 10, { behavior });
    assert.equal(of(100).to, 20, "10 wanted of 10 is no reason to stay");
    assert.deepEqual([of(52).to, of(52).reason], [12, "WorkWaiting"]);
    const near = decided("mails + 0.5", [seen({ waiting: 100 }), seen()], 10, { behavior });
    assert.deepEqual([near.to, near.reason], [10, "WithinTolerance"]);
  });

  test("tells what would change the size", () => {
    const at = situation({ rules: sized("mails * 2.0"), pool: pool(4), observations: [seen({ waiting: 20 }), seen()] });
    const lines = whatWouldChange(at, decide(at).decision);
    assert.ok(lines.includes("more than 20 waiting in mails -> 6"), lines.join("\n"));
  });
});

const texts = [
  "max(mails, reports)",
  "mails - reports",
  "mails / reports",
  "known(mails) ? mails : 2.0",
  "7",
  "100 - mails",
  "mails * 1e12 * 1e12",
];
const answer = fc.oneof(
  { weight: 4, arbitrary: fc.record({ waiting: fc.nat(400), running: fc.nat(12) }).map((reading) => seen(reading)) },
  fc.record({ waiting: fc.nat(400), running: fc.nat(12) }).map((reading) => failed(seen(reading, noon - 5000))),
  fc.constant(gone),
);

test("with any formula: within the bounds, never below the jobs in hand, and nothing lower while not all is known", () => {
  const seenKinds = { unknown: 0, lowered: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...texts), answer, answer, fc.nat(30), (text, mails, reports, wanted) => {
      const { to, from } = decided(text, [mails, reports], wanted, { replicas: { min: 1, max: 20, idle: 0 } });
      assert.ok(Number.isSafeInteger(to) && to <= Math.max(20, from));
      if (to < from) seenKinds.lowered += 1;
      if (mails.failure !== undefined || reports.failure !== undefined) {
        seenKinds.unknown += 1;
        assert.ok(to >= from, "lowered without knowing");
      }
      const running = (mails.reading?.running ?? 0) + (reports.reading?.running ?? 0);
      assert.ok(to >= Math.min(from, running), "below the jobs in hand");
    }),
    { numRuns: 1000 },
  );
  assert.ok(seenKinds.unknown > 20 && seenKinds.lowered > 20, JSON.stringify(seenKinds));
});
