import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { cron as scaler } from "../../scalers/cron.ts";
import { createWallClock, wallClockBroker } from "../../src/brokers/wall-clock.ts";
import type { AnyScaler, Sample } from "../../src/core/contract.ts";
import { readingText } from "../../src/core/words.ts";
import { createObserver } from "../../src/observe/create-observer.ts";
import { clockBefore } from "../support/clock-before.ts";
import { waitFor } from "../support/wait.ts";

const cron: AnyScaler = scaler;
const soon = () => AbortSignal.timeout(30_000);

type Window = Readonly<{ from?: string; to?: string; replicas?: number; atMost?: number }>;
type Schedule = Window & Readonly<{ timezone: string; windows?: readonly Window[] }>;

/** What a schedule asks for at a moment, given with its offset: "2026-03-29T02:59+01:00". */
async function at(schedule: Schedule, moment: string): Promise<Sample> {
  const clock = createWallClock(() => Date.parse(moment));
  const [result] = await cron.read(clock, [cron.query.parse(schedule)], soon());
  assert.ok(result && "reading" in result);
  return result.reading;
}

const wants = async (schedule: Schedule, moment: string) => (await at(schedule, moment)).wants;

const berlin = { timezone: "Europe/Berlin" };
const office = { ...berlin, from: "0 8 * * 1-5", to: "0 18 * * 1-5", replicas: 3 };

describe("a window", () => {
  it("is open from its first moment up to its last, which no longer belongs to it", async () => {
    assert.equal(await wants(office, "2026-11-20T07:59:59.999+01:00"), 0);
    assert.equal(await wants(office, "2026-11-20T08:00:00.000+01:00"), 3);
    assert.equal(await wants(office, "2026-11-20T17:59:59.999+01:00"), 3);
    assert.equal(await wants(office, "2026-11-20T18:00:00.000+01:00"), 0);
  });

  it("says until when it holds, and what comes then", async () => {
    const text = async (moment: string) => readingText({ ...(await at(office, moment)), sampledAt: 0 });
    assert.equal(await text("2026-11-20T12:00+01:00"), "asks for 3 until 18:00 Europe/Berlin, then none");
    assert.equal(await text("2026-11-20T19:00+01:00"), "asks for none until Mon 08:00 Europe/Berlin, then 3");
    const christmas = { ...berlin, from: "0 0 25 12 *", to: "0 0 26 12 *", atMost: 0 };
    const closed = await at(christmas, "2026-11-20T12:00+01:00");
    assert.equal(closed.until, "2026-12-25 00:00 Europe/Berlin, then at most 0");
    assert.equal(closed.atMost, undefined);
  });

  it("may go over midnight, and over the end of the year", async () => {
    const night = { ...berlin, from: "0 22 * * *", to: "0 6 * * *", replicas: 5 };
    for (const [moment, expected] of [
      ["2026-12-31T21:59+01:00", 0],
      ["2026-12-31T22:00+01:00", 5],
      ["2027-01-01T05:59+01:00", 5],
      ["2027-01-01T06:00+01:00", 0],
    ] as const) {
      assert.equal(await wants(night, moment), expected, moment);
    }
  });

  it("that begins and ends at one time of the day is open on the days that it begins", async () => {
    const monday = { ...berlin, from: "0 0 * * 1", to: "0 0 * * *", replicas: 2 };
    assert.equal(await wants(monday, "2026-11-22T23:59+01:00"), 0); // a Sunday
    assert.equal(await wants(monday, "2026-11-23T00:00+01:00"), 2);
    assert.equal(await wants(monday, "2026-11-23T23:59+01:00"), 2);
    assert.equal(await wants(monday, "2026-11-24T00:00+01:00"), 0);
  });

  it("beside others counts with them: the largest floor, the smallest ceiling", async () => {
    const windows = [
      { from: "0 8 * * *", to: "0 18 * * *", replicas: 3, atMost: 20 },
      { from: "0 12 * * *", to: "0 13 * * *", replicas: 10, atMost: 12 },
      { from: "0 17 * * *", to: "0 20 * * *", replicas: 1 },
    ];
    const asked = async (moment: string) => {
      const { wants, atMost } = await at({ ...berlin, windows }, moment);
      return [wants, atMost];
    };
    assert.deepEqual(await asked("2026-11-20T09:00+01:00"), [3, 20]);
    assert.deepEqual(await asked("2026-11-20T12:30+01:00"), [10, 12]);
    assert.deepEqual(await asked("2026-11-20T17:30+01:00"), [3, 20]);
    assert.deepEqual(await asked("2026-11-20T18:00+01:00"), [1, undefined]);
    assert.deepEqual(await asked("2026-11-20T20:00+01:00"), [0, undefined]);
    const { until } = await at({ ...berlin, windows }, "2026-11-20T12:30+01:00");
    assert.equal(until, "13:00 Europe/Berlin, then 3 and at most 20");
  });

  it("passes over edges that change nothing", async () => {
    const often = { ...berlin, from: "*/15 8-17 * * *", to: "0 18 * * *", replicas: 3 };
    assert.equal((await at(often, "2026-11-20T12:07+01:00")).until, "18:00 Europe/Berlin, then none");
  });
});

/** Each zone's own night of the change: the schedule, and what it asks for just before and after each of its edges. */
describe("summer time", () => {
  const night = (timezone: string, from: string, to: string) => ({ timezone, from, to, replicas: 1 });
  const cases: readonly (readonly [title: string, Schedule, readonly (readonly [moment: string, wants: number])[]])[] = [
    [
      "in Berlin begins: what starts in the gap starts at its end",
      night("Europe/Berlin", "30 2 * * *", "0 5 * * *"),
      [
        ["2026-03-29T01:59:59+01:00", 0],
        ["2026-03-29T03:00:00+02:00", 1],
        ["2026-03-29T04:59:59+02:00", 1],
        ["2026-03-29T05:00:00+02:00", 0],
        ["2026-03-30T02:29:59+02:00", 0],
        ["2026-03-30T02:30:00+02:00", 1],
      ],
    ],
    [
      "in Berlin begins: what ends in the gap ends with it",
      night("Europe/Berlin", "0 1 * * *", "30 2 * * *"),
      [
        ["2026-03-29T01:00:00+01:00", 1],
        ["2026-03-29T01:59:59+01:00", 1],
        ["2026-03-29T03:00:00+02:00", 0],
      ],
    ],
    [
      "in Berlin begins: what lies within the gap is left out",
      night("Europe/Berlin", "10 2 * * *", "50 2 * * *"),
      [
        ["2026-03-28T02:10:00+01:00", 1],
        ["2026-03-28T02:50:00+01:00", 0],
        ["2026-03-29T03:00:00+02:00", 0],
        ["2026-03-29T03:30:00+02:00", 0],
        ["2026-03-30T02:10:00+02:00", 1],
      ],
    ],
    [
      "in Berlin begins: what closes and opens within the gap stays open",
      night("Europe/Berlin", "50 2 * * *", "10 2 * * *"),
      [
        ["2026-03-29T01:59:59+01:00", 1],
        ["2026-03-29T03:00:00+02:00", 1],
        ["2026-03-29T12:00:00+02:00", 1],
      ],
    ],
    [
      "in Berlin begins: what starts in the gap and ends right behind it is left out",
      night("Europe/Berlin", "30 2 * * *", "0 3 * * *"),
      [
        ["2026-03-29T03:00:00+02:00", 0],
        ["2026-03-29T12:00:00+02:00", 0],
      ],
    ],
    [
      "in Berlin ends: the hour that comes twice counts the first time",
      night("Europe/Berlin", "30 2 * * *", "30 3 * * *"),
      [
        ["2026-10-25T02:29:59+02:00", 0],
        ["2026-10-25T02:30:00+02:00", 1],
        ["2026-10-25T02:29:59+01:00", 1],
        ["2026-10-25T03:29:59+01:00", 1],
        ["2026-10-25T03:30:00+01:00", 0],
      ],
    ],
    [
      "in Berlin ends: what ends in the hour that comes twice does not open again",
      night("Europe/Berlin", "0 1 * * *", "30 2 * * *"),
      [
        ["2026-10-25T02:29:59+02:00", 1],
        ["2026-10-25T02:30:00+02:00", 0],
        ["2026-10-25T02:15:00+01:00", 0],
      ],
    ],
    [
      "in New York begins, with a window over the night an hour shorter",
      night("America/New_York", "0 22 * * *", "0 6 * * *"),
      [
        ["2026-03-07T22:00:00-05:00", 1],
        ["2026-03-08T05:59:59-04:00", 1],
        ["2026-03-08T06:00:00-04:00", 0],
      ],
    ],
    [
      "in New York ends, with a window over the night an hour longer",
      night("America/New_York", "0 22 * * *", "0 6 * * *"),
      [
        ["2026-10-31T22:00:00-04:00", 1],
        ["2026-11-01T05:59:59-05:00", 1],
        ["2026-11-01T06:00:00-05:00", 0],
      ],
    ],
    [
      "on Lord Howe begins, by half an hour",
      night("Australia/Lord_Howe", "15 2 * * *", "0 4 * * *"),
      [
        ["2026-10-04T01:59:59+10:30", 0],
        ["2026-10-04T02:30:00+11:00", 1],
        ["2026-10-04T04:00:00+11:00", 0],
      ],
    ],
    [
      "in Cairo begins at midnight, which is then one o'clock",
      night("Africa/Cairo", "0 0 * * *", "0 2 * * *"),
      [
        ["2026-04-23T23:59:59+02:00", 0],
        ["2026-04-24T01:00:00+03:00", 1],
        ["2026-04-24T02:00:00+03:00", 0],
      ],
    ],
    [
      "is not known in Tokyo",
      night("Asia/Tokyo", "30 2 * * *", "30 3 * * *"),
      [
        ["2026-03-29T02:30:00+09:00", 1],
        ["2026-03-29T03:30:00+09:00", 0],
      ],
    ],
  ];
  for (const [title, schedule, moments] of cases) {
    it(title, async () => {
      for (const [moment, expected] of moments) assert.equal(await wants(schedule, moment), expected, moment);
    });
  }
});

test("a schedule is looked at when its window opens, and not only at its interval", async () => {
  const wall = clockBefore("2026-11-20T08:00:00.000+01:00");
  const broker = wallClockBroker(wall.now);
  const clock = () => performance.now();
  await using observer = createObserver({ brokers: new Map([["clock", broker]]), clock, random: Math.random });
  const seen: (number | undefined)[] = [];
  observer.watch(
    {
      scaler,
      query: scaler.query.parse(office),
      connection: { name: "clock", type: "clock", key: "clock", settings: async () => ({}) },
      intervalMs: 3_600_000,
    },
    ({ observation }) => seen.push(observation.reading?.wants),
  );
  await waitFor("the time before it", () => seen.includes(0));
  wall.go();
  await waitFor("the window", () => seen.includes(3));
  assert.deepEqual(seen, [0, 3]);
});

test("a thousand schedules are answered at once, each in its place, and none of them once it was aborted", async () => {
  const clock = createWallClock(() => Date.parse("2026-11-20T12:00+01:00"));
  const queries = Array.from({ length: 1000 }, (_, i) => cron.query.parse({ ...office, replicas: i }));
  const results = await cron.read(clock, queries, soon());
  assert.deepEqual(
    results.map((result) => "reading" in result && result.reading.wants),
    queries.map((_, i) => i),
  );
  assert.deepEqual(await cron.read(clock, [], soon()), []);
  await assert.rejects(cron.read(clock, queries, AbortSignal.abort()));
});

test("a clock that was set is followed at the next reading", async () => {
  let now = Date.parse("2026-11-20T12:00+01:00");
  const clock = createWallClock(() => now);
  const queries = [cron.query.parse(office)];
  const read = async () => {
    const [result] = await cron.read(clock, queries, soon());
    return result && "reading" in result ? result.reading : undefined;
  };
  const first = await read();
  assert.equal(first?.wants, 3);
  assert.equal(await read(), first, "the very same reading while nothing changes");
  now = Date.parse("2026-11-20T06:00+01:00");
  assert.equal((await read())?.wants, 0);
  now = Date.parse("2026-11-20T09:00+01:00");
  assert.equal((await read())?.wants, 3);
});
