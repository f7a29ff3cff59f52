import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { patiently } from "../../src/brokers/patience.ts";

describe("patience with an expression that others wrote", () => {
  it("ends, and does not begin again at once; another one is not concerned", () => {
    let tries = 0;
    const endless = () => {
      tries++;
      return /^(a+)+$/.test(`${"a".repeat(60)}!`);
    };
    assert.equal(patiently("(a+)+", endless), undefined);
    const tried = tries; // once, or more often where the machine was too busy to tell
    assert.equal(patiently("(a+)+", endless), undefined);
    assert.equal(tries, tried);
    assert.deepEqual(
      patiently("a+", () => ["a"]),
      ["a"],
    );
  });

  it("hands on what is thrown, and is there for the next", () => {
    const broken = () => {
      throw new TypeError("broken");
    };
    assert.throws(() => patiently("x", broken), TypeError);
    assert.equal(
      patiently("x", () => 1),
      1,
    );
  });
});
