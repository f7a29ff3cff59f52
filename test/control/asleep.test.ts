import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAsleep } from "../../src/control/asleep.ts";
import { pool, rules, situation } from "../core/situation.ts";

const asleep = (changes: Parameters<typeof situation>[0], to = 0) => isAsleep(situation(changes), { to });
const paused = (directions: "Both" | "Up" | "Down") => ({ rules: rules({ pause: { directions, reason: "rest" } }) });

describe("a pool", () => {
  it("is asleep at zero", () => {
    assert.equal(asleep({}), true);
    assert.equal(asleep({ pool: pool(0, { leaving: 2 }) }), true, "who is leaving takes no more");
  });

  it("is awake with workers, or on the way to some", () => {
    assert.equal(asleep({ pool: pool(1) }), false);
    assert.equal(asleep({}, 2), false);
  });

  it("does not listen while nothing could wake it", () => {
    assert.equal(asleep({ rules: rules({ mode: "Observe" }) }), false);
    assert.equal(asleep({ rules: rules({ replicas: { min: 0, max: 0, idle: 0 } }) }), false);
    assert.deepEqual([asleep(paused("Both")), asleep(paused("Up")), asleep(paused("Down"))], [false, false, true]);
    const limit = { most: 0, reason: "Paused", because: "set to zero by hand" } as const;
    assert.equal(asleep({ pool: pool(0, { limit }) }), false);
  });
});
