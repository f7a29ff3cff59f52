import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { adviceOn } from "../../src/core/advice.ts";

describe("advice on a queue", () => {
  it("is what its reading says, and none of a reading that there is not", () => {
    assert.deepEqual(adviceOn({ advice: ["one"] }, undefined), ["one"]);
    assert.deepEqual(adviceOn(undefined, { graceMs: 1000 }), []);
  });

  it("warns of a worker that is cut off while the broker keeps its job for it", () => {
    const said = adviceOn({ advice: ["one"], leaseMs: 600_000 }, { graceMs: 30_000 });
    assert.equal(said.length, 2);
    assert.match(said[1] ?? "", /a worker has 30 s to stop, and a job stays its own for 10 min/);
    assert.deepEqual(adviceOn({ leaseMs: 10_000 }, { graceMs: 30_000 }), []);
    assert.deepEqual(adviceOn({ leaseMs: 30_000 }, { graceMs: 30_000 }), []);
    assert.deepEqual(adviceOn({ leaseMs: 600_000 }, {}), [], "a grace that is not known is no short one");
  });
});
