import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Observation } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import { whatWouldChange } from "../../src/core/explain.ts";
import type { Goal, Rules } from "../../src/core/spec.ts";
import { anyRules, anyTurn, observed, poolOf } from "./arbitrary.ts";
import { failed, free, noon, pool, rules, seen, situation, trigger } from "./situation.ts";

const usual: Partial<Rules> = {
  scaleDown: { protect: "busy", cooldownMs: 60_000 },
  behavior: { scaleUp: free, scaleDown: { ...free, stabilizationWindowSeconds: 60 } },
};

function lines(from: number, observations: readonly Observation[], changes: Partial<Rules> = {}): readonly string[] {
  const at = situation({ rules: rules({ ...usual, ...changes }), pool: pool(from), observations });
  return whatWouldChange(at, decide(at).decision);
}

describe("what would change a size", () => {
  test("more, fewer, and none", () => {
    assert.deepEqual(lines(4, [seen({ waiting: 430, running: 4 })]), [
      "more than 450 waiting -> 10",
      "fewer than 401 waiting for 60 s -> 8",
      "empty for 60 s -> 0",
    ]);
  });

  test("jobs that are due soon count as waiting there too", () => {
    assert.equal(lines(4, [seen({ waiting: 400, dueSoon: 30 })])[0], "more than 450 waiting -> 10");
  });

  test("of an idle pool: any job", () => assert.deepEqual(lines(0, [seen()]), ["any job -> 1"]));

  test("at the maximum: nothing more", () => {
    const told = lines(100, [seen({ waiting: 9000 })]);
    assert.equal(told[0], "nothing above 100: it is the maximum");
    assert.equal(told[1], "fewer than 4951 waiting for 60 s -> 99");
  });

  test("with several triggers it names the one that decides", () => {
    const two = { triggers: [trigger(), trigger({ name: "images" })] };
    assert.equal(lines(1, [seen({ waiting: 10 }), seen({ waiting: 80 })], two)[0], "more than 100 waiting in images -> 3");
  });

  test("a fall stops at what another trigger wants", () => {
    const two = { triggers: [trigger(), trigger({ name: "images" })] };
    assert.equal(lines(2, [seen({ waiting: 60 }), seen({ waiting: 60 })], two)[1], "empty for 60 s -> 0");
  });

  test("while a trigger is not known: to know it", () => {
    assert.deepEqual(lines(4, [failed(seen({ waiting: 10 }))]), ["mails readable again -> may shrink"]);
  });

  test("a step limit shows as the time that the way takes", () => {
    const slow = { ...free, policies: [{ type: "Pods" as const, value: 1, periodSeconds: 60 }] };
    const told = lines(3, [seen({ waiting: 150 })], { ...usual, behavior: { scaleUp: free, scaleDown: slow } });
    assert.equal(told.at(-1), "empty for 2 min -> 0");
  });

  test("a size by time goals too", () => {
    const goal: Goal = { kind: "startWithin", ms: 30_000, serviceMs: 30_000 };
    const told = lines(1, [seen({ waiting: 10 })], { triggers: [trigger({ goal })] });
    assert.equal(told[0], "more than 10 waiting -> 6");
  });

  test("a count that no queue has comes to an end, and tells of no other", () => {
    for (const waiting of [1e300, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, -1, 0.5, 7.5])
      assert.ok(lines(9, [seen({ waiting })]).length >= 0);
  });

  test("it ends and changes nothing, whatever the situation", () => {
    fc.assert(
      fc.property(anyRules, anyTurn, fc.nat(25), (rule, turn, wanted) => {
        const observations = rule.triggers.map((_, index) => observed({}, turn.news[index] ?? "none", noon));
        const at = situation({ rules: rule, pool: poolOf(wanted, turn, noon - 10_000), observations });
        const { decision } = decide(at);
        for (const line of whatWouldChange(at, decision)) assert.doesNotMatch(line, /NaN|undefined|Infinity/);
        assert.deepEqual(decide(at).decision, decision);
      }),
      { numRuns: 50 },
    );
  });
});
