import assert from "node:assert/strict";
import { test } from "node:test";
import type { Reading, Worker } from "../../src/core/contract.ts";
import { differs } from "../../src/observe/changes.ts";

const worker: Worker = { id: "w1", busy: 1, reserved: 2, quiet: false, slots: 4, seenAt: 10 };
const reading: Reading = {
  waiting: 1,
  dueSoon: 2,
  running: 3,
  reserved: 4,
  oldestMs: 500,
  ceiling: 9,
  enqueued: 10,
  finished: 5,
  wants: 2,
  atMost: 5,
  until: "18:00",
  wantsReason: "a",
  epoch: "a",
  sampledAt: 1,
  workers: [worker, { id: "w2", busy: 0, seenAt: 11 }],
};

test("each number that a decision uses makes a change, and so does its coming or going", () => {
  const others = {
    waiting: 0,
    dueSoon: 0,
    running: 0,
    reserved: 0,
    ceiling: 0,
    enqueued: 11,
    finished: 6,
    wants: 3,
    atMost: 6,
    until: "19:00",
    wantsReason: "b",
    epoch: "b",
  };
  for (const [field, value] of Object.entries(others)) {
    assert.ok(differs(reading, { ...reading, [field]: value }), field);
    assert.ok(differs(reading, { ...reading, [field]: undefined }), `${field} gone`);
    assert.ok(differs({ ...reading, [field]: undefined }, reading), `${field} come`);
  }
});

test("who works on what makes a change", () => {
  const others: Partial<Worker>[] = [{ id: "w9" }, { busy: 0 }, { reserved: 0 }, { quiet: true }, { slots: 8 }];
  for (const other of others) {
    const workers = [{ ...worker, ...other }, ...(reading.workers ?? []).slice(1)];
    assert.ok(differs(reading, { ...reading, workers }), JSON.stringify(other));
  }
  assert.ok(differs(reading, { ...reading, workers: [worker] }));
  assert.ok(differs(reading, { ...reading, workers: [worker, worker] }));
  const { workers: _, ...without } = reading;
  assert.ok(differs(reading, without));
  assert.ok(differs(without, reading));
});

test("ages, times and the order of workers alone make none", () => {
  const workers = (reading.workers ?? []).map((one) => ({ ...one, seenAt: one.seenAt + 1 })).reverse();
  assert.equal(differs(reading, { ...reading, oldestMs: 900, sampledAt: 2, workers }), false);
});
