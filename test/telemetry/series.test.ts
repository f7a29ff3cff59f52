import assert from "node:assert/strict";
import { test } from "node:test";
import type { Point } from "../../src/telemetry/series.ts";
import { createSeries } from "../../src/telemetry/series.ts";

const point = (t: number, waiting: number | null = t): Point => ({
  t,
  waiting,
  oldestMs: null,
  wanted: 1,
  existing: 1,
  busy: 0,
});

test("Points come back as columns of equal length, oldest first", () => {
  const series = createSeries({ gapMs: 0 });
  series.add("w", point(1));
  series.add("w", point(2, null));
  const columns = series.columns("w");
  assert.deepEqual(columns.t, [1, 2]);
  assert.deepEqual(columns.waiting, [1, null]);
  assert.deepEqual(series.columns("w", 2).t, [2]);
  assert.deepEqual(series.columns("unknown").t, []);
});

test("A flat stretch costs two points however long it lasts", () => {
  const series = createSeries({ gapMs: 0 });
  for (let t = 0; t < 1_000; t++) series.add("w", point(t, 7));
  assert.deepEqual(series.columns("w").t, [0, 999]);
});

test("Points too close together replace each other, the newest stays", () => {
  const series = createSeries({ gapMs: 100 });
  for (let t = 0; t <= 1_000; t += 10) series.add("w", point(t));
  const { t } = series.columns("w");
  assert.ok(t.length <= 22, String(t.length));
  assert.equal(t.at(-1), 1_000);
});

test("Memory is bounded, and the past grows coarser before it is lost", () => {
  const series = createSeries({ size: 64, gapMs: 0 });
  for (let t = 0; t < 10_000; t++) series.add("w", point(t));
  const { t } = series.columns("w");
  assert.ok(t.length <= 64);
  assert.equal(t.at(-1), 9_999);
  assert.ok((t.at(-1) ?? 0) - (t.at(-2) ?? 0) === 1, "the newest are as close as they came");
  assert.ok((t[0] ?? 0) < 9_800, "older ones reach further back");
});

test("A wall clock that was set back does not fold the series", () => {
  const series = createSeries({ gapMs: 0 });
  for (const t of [1_000, 2_000, 3_000, 1_500]) series.add("w", point(t));
  assert.deepEqual(series.columns("w").t, [1_000, 1_500]);
});
