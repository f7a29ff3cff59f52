import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackoff } from "../../src/targets/process-backoff.ts";

const all = { fresh: 0, owed: 50, probing: false };

describe("the back-off of a pool", () => {
  it("waits 0, 1, 2, 4 … 60 s, half of it by chance", () => {
    const longest = createBackoff(() => 1);
    const shortest = createBackoff(() => 0);
    const waits = [0, 1, 2, 4, 8, 16, 32, 60, 60];
    for (const seconds of waits) {
      for (const [backoff, share] of [
        [longest, 1],
        [shortest, 0.5],
      ] as const) {
        backoff.failed(backoff.step(), 10, 1000);
        assert.equal(backoff.opensAt(1000), 1000 + seconds * 1000 * share);
      }
    }
  });

  it("counts workers that were started together and end together once", () => {
    const backoff = createBackoff();
    for (let n = 0; n < 50; n++) backoff.failed(0, 10, 1000);
    assert.equal(backoff.level(), 1);
    assert.equal(backoff.allowed(all, 1000), 50);
  });

  it("lets one worker try from the third time on, until it has lived for 30 s", () => {
    const backoff = createBackoff(() => 1);
    for (let n = 0; n < 3; n++) backoff.failed(backoff.step(), 10, 0);
    assert.equal(backoff.allowed(all, 1999), 0);
    assert.equal(backoff.allowed({ ...all, fresh: 5 }, 2000), 1);
    assert.equal(backoff.allowed({ ...all, probing: true }, 2000), 0);
    backoff.steady(backoff.step() - 1); // an older one says nothing of those that start now
    assert.equal(backoff.level(), 3);
    backoff.steady(backoff.step());
    assert.equal(backoff.allowed(all, 2000), 50);
  });

  it("does not count the end of a worker that lived for 30 s", () => {
    const backoff = createBackoff();
    backoff.failed(0, 30_000, 0);
    assert.equal(backoff.level(), 0);
  });

  it("restarts no more than 60 workers in a minute, and caps no growth", () => {
    const backoff = createBackoff();
    for (let n = 0; n < 55; n++) backoff.restarted(1000 + n);
    assert.equal(backoff.allowed(all, 2000), 5);
    for (let n = 0; n < 5; n++) backoff.restarted(2000);
    assert.equal(backoff.allowed({ ...all, fresh: 200 }, 2000), 200);
    assert.equal(backoff.opensAt(2000), 61_000);
    assert.equal(backoff.allowed(all, 61_000), 1);
  });
});
