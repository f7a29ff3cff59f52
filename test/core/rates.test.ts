import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Reading } from "../../src/core/contract.ts";
import type { RateMemory } from "../../src/core/memory.ts";
import { estimateRates, type Hint, observeRates } from "../../src/core/rates.ts";

/** A numbers-only queue with `slots` workers: each job served for `serviceMs`. Read each second. */
function watch(
  flow: Readonly<{ perSecond: number; serviceMs: number; slots: number; seconds: number; burst?: number }>,
  shown: readonly (keyof Reading)[],
  hint: Hint = {},
): RateMemory | undefined {
  const free = Array.from({ length: flow.slots }, () => 0);
  const arrivals = Array.from({ length: flow.burst ?? 0 }, () => 0);
  // Uneven gaps of the right mean: even ones would fall in step with the readings.
  for (let at = 0, n = 0; at < flow.seconds * 1000; n++) {
    arrivals.push(at);
    at += (0.5 + ((n * 0.618034) % 1)) * (1000 / flow.perSecond);
  }
  const jobs = arrivals.map((at) => {
    const worker = free.indexOf(Math.min(...free));
    const begin = Math.max(at, free[worker] ?? 0);
    free[worker] = begin + flow.serviceMs;
    return { at, begin, end: begin + flow.serviceMs };
  });
  let memory: RateMemory | undefined;
  for (let now = 1000; now <= flow.seconds * 1000; now += 1000) {
    const here = jobs.filter((job) => job.at <= now);
    const waiting = here.filter((job) => job.begin > now);
    const all: Required<Pick<Reading, "waiting" | "running" | "enqueued" | "finished" | "oldestMs">> = {
      waiting: waiting.length,
      running: here.filter((job) => job.begin <= now && job.end > now).length,
      enqueued: here.length,
      finished: here.filter((job) => job.end <= now).length,
      oldestMs: waiting[0] === undefined ? 0 : now - waiting[0].at,
    };
    const reading = Object.fromEntries(shown.map((field) => [field, all[field as keyof typeof all]]));
    memory = observeRates(memory, { ...reading, sampledAt: now }, hint, 1000);
  }
  return memory;
}

const counts = ["waiting", "running"] as const;
const near = (value: number, expected: number, share: number) =>
  assert.ok(Math.abs(value - expected) <= share * expected, `${value} is not within ${share * 100} % of ${expected}`);

describe("rates measured online", () => {
  const cases: [string, readonly (keyof Reading)[]][] = [
    ["both counters", [...counts, "enqueued", "finished"]],
    ["the finished counter alone", [...counts, "finished"]],
    ["the enqueued counter alone", [...counts, "enqueued"]],
  ];
  for (const [name, shown] of cases) {
    for (const serviceMs of [250, 3000, 20_000]) {
      test(`follow from ${name}: jobs of ${serviceMs} ms, 2 a second`, () => {
        const memory = watch({ perSecond: 2, serviceMs, slots: 50, seconds: 240 }, shown);
        const rates = estimateRates(memory, {}, 30_000);
        assert.equal(rates.service, "measured from counters");
        near(rates.serviceMs, serviceMs, 0.15);
        near(rates.perMs, 0.002, 0.1);
      });
    }
  }

  test("follow from the oldest job's age, where a queue has no counters", () => {
    const memory = watch({ perSecond: 10, serviceMs: 2000, slots: 15, seconds: 200, burst: 50 }, [...counts, "oldestMs"]);
    const rates = estimateRates(memory, {}, 30_000);
    assert.equal(rates.service, "measured from the oldest job's age");
    near(rates.serviceMs, 2000, 0.15);
    near(rates.perMs, 0.01, 0.1);
  });

  test("jobs too long to have finished raise what is assumed", () => {
    const memory = watch({ perSecond: 1, serviceMs: 900_000, slots: 10, seconds: 300 }, [...counts, "enqueued", "finished"]);
    const rates = estimateRates(memory, {}, 30_000);
    assert.equal(rates.service, "assumed");
    assert.ok(rates.serviceMs > 600_000);
  });

  test("are as given until enough has finished, and then give way to what is measured", () => {
    const hint = { serviceMs: 10_000, perSecond: 5 };
    assert.deepEqual(estimateRates(undefined, hint, 30_000), {
      serviceMs: 10_000,
      service: "as given",
      perMs: 0.005,
      arrivals: "as given",
    });
    const memory = watch({ perSecond: 20, serviceMs: 500, slots: 50, seconds: 300 }, [...counts, "enqueued", "finished"], hint);
    const rates = estimateRates(memory, hint, 30_000);
    assert.equal(rates.service, "measured from counters");
    near(rates.serviceMs, 500, 0.2);
  });

  test("forget: a new service time is found within minutes", () => {
    const slow = watch({ perSecond: 2, serviceMs: 8000, slots: 50, seconds: 120 }, [...counts, "enqueued", "finished"]);
    let memory = slow;
    for (let second = 0; second < 400; second++) {
      const at = 121_000 + second * 1000;
      const enqueued = (slow?.enqueued ?? 0) + second * 2;
      const finished = (slow?.finished ?? 0) + second * 2;
      const reading = { waiting: 0, running: 2, enqueued, finished, sampledAt: at };
      memory = observeRates(memory, reading, {}, 1000);
    }
    near(estimateRates(memory, {}, 30_000).serviceMs, 1000, 0.15);
  });

  const start: Reading = { waiting: 10, running: 2, enqueued: 100, finished: 88, sampledAt: 1000 };
  const dropped: [string, Reading][] = [
    ["a counter that went back", { ...start, enqueued: 5, finished: 90, sampledAt: 2000 }],
    ["arrivals that would be negative", { waiting: 0, running: 0, finished: 90, sampledAt: 2000 }],
  ];
  for (const [name, reading] of dropped) {
    test(`${name} adds nothing`, () => {
      const memory = observeRates(observeRates(undefined, start, {}, 1000), reading, {}, 1000);
      assert.deepEqual([memory?.arrived, memory?.done, memory?.busyMs, memory?.spanMs], [0, 0, 0, 0]);
      assert.equal(memory?.at, reading.sampledAt);
    });
  }

  test("over a long gap the counters still tell of arrivals, and nobody knows what ran", () => {
    const later = { ...start, enqueued: 299, finished: 287, sampledAt: 200_000 };
    const rates = estimateRates(observeRates(observeRates(undefined, start, {}, 1000), later, {}, 1000), {}, 30_000);
    assert.equal(rates.perMs, 0.001);
    assert.equal(rates.service, "assumed");
  });

  test("a burst that is worked off is no arrival rate", () => {
    const memory = watch({ perSecond: 1e-9, serviceMs: 2000, slots: 20, seconds: 60, burst: 400 }, [...counts, "oldestMs"]);
    const rates = estimateRates(memory, {}, 30_000);
    near(rates.serviceMs, 2000, 0.15);
    assert.equal(rates.perMs, 0);
  });

  test("a rate that the oldest job's age told of is forgotten when nothing confirms it", () => {
    let memory = watch({ perSecond: 10, serviceMs: 2000, slots: 15, seconds: 200, burst: 50 }, [...counts, "oldestMs"]);
    for (let second = 201; second < 900; second++) {
      memory = observeRates(memory, { waiting: 0, running: 0, sampledAt: second * 1000 }, {}, 1000);
    }
    const rates = estimateRates(memory, {}, 30_000);
    assert.equal(rates.arrivals, "assumed");
    near(rates.serviceMs, 2000, 0.15);
  });

  test("the same reading taken twice counts once", () => {
    const once = observeRates(undefined, start, {}, 1000);
    assert.equal(observeRates(once, start, {}, 1000), once);
  });

  test("are numbers, never negative, whatever the readings say", () => {
    const count = fc.oneof(fc.nat(100), fc.constant(0), fc.constant(Number.MAX_SAFE_INTEGER));
    const readings = fc.array(
      fc.record(
        {
          waiting: count,
          running: count,
          dueSoon: count,
          enqueued: count,
          finished: count,
          oldestMs: fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e15, noNaN: true })),
          sampledAt: fc.oneof(fc.nat(100_000), fc.constant(1e15)),
        },
        { requiredKeys: ["sampledAt"] },
      ),
      { maxLength: 30 },
    );
    const hints = fc.record({ serviceMs: fc.constantFrom(1, 1e9), perSecond: fc.constantFrom(0, 1e6) }, { requiredKeys: [] });
    fc.assert(
      fc.property(readings, hints, fc.constantFrom(1, 30_000, 1e9), (course, hint, goalMs) => {
        let memory: RateMemory | undefined;
        for (const reading of course) {
          memory = observeRates(memory, reading, hint, 1000);
          const { serviceMs, perMs } = estimateRates(memory, hint, goalMs);
          assert.ok(Number.isFinite(serviceMs) && serviceMs > 0 && Number.isFinite(perMs) && perMs >= 0);
        }
      }),
    );
  });

  test("an age that is only the least that it can be measures no rate", () => {
    const told = (more: Partial<Reading>) => {
      let memory: RateMemory | undefined;
      for (let n = 1; n <= 10; n++) {
        memory = observeRates(memory, { waiting: 40 + n, running: 1, oldestMs: 500, ...more, sampledAt: n * 1000 }, {}, 1000);
      }
      return estimateRates(memory, {}, 30_000).arrivals;
    };
    assert.equal(told({}), "measured from the oldest job's age");
    assert.equal(told({ oldestIsLeast: true }), "assumed");
  });
});
