import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { duration, formatDuration, parseDuration } from "../../src/api/duration.ts";

test("durations add up their parts", () => {
  const cases = { "30s": 30_000, "1m30s": 90_000, "1.5s": 1500, "250ms": 250, "2h": 7_200_000, "1h1m1s1ms": 3_661_001, "0s": 0 };
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDuration(text), ms, text);
});

test("what is no duration is undefined, never a guess", () => {
  for (const text of ["", "30", "s", "-1s", "1 s", "1d", "1S", "1e3s", ".5s", "1.s", "1s ", "30s\n", "Infinitys", "NaNs"]) {
    assert.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});

test("bounds belong to the range, and its message says them", () => {
  const field = duration({ min: "1s", max: "1m" });
  assert.deepEqual(
    ["1s", "60s"].map((text) => field.parse(text)),
    [1000, 60_000],
  );
  for (const text of ["999ms", "61s", `${"9".repeat(30)}h`]) assert.equal(field.safeParse(text).success, false, text);
  const { error } = field.safeParse("2m");
  assert.equal(error?.issues[0]?.message, "must be a duration from 1s to 1m, such as '30s', '1m30s' or '500ms'");
});

test("what is formatted reads back as the same number of milliseconds", () => {
  fc.assert(fc.property(fc.nat(1_000_000_000), (ms) => parseDuration(formatDuration(ms)) === ms));
  assert.equal(formatDuration(90_000), "1m30s");
});
