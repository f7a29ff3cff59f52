import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mysql } from "../../scalers/mysql.ts";
import { postgresql } from "../../scalers/postgresql.ts";
import { toResult } from "../../scalers/sql/reading.ts";
import type { Row } from "../../src/brokers/sql-client.ts";
import { checkReading } from "../../src/core/reading.ts";

/** `columns`: those of an answer without a row. */
type Fields = Readonly<{ queue?: string; withoutRow?: string; query?: string; columns?: readonly string[] }>;

const outcome = (rows: readonly Row[], { query = "SELECT x", columns = Object.keys(rows[0] ?? {}), ...more }: Fields = {}) =>
  toResult(postgresql.query.parse({ query, ...more }) as never, { columns, rows, epoch: "e", askedAt: 7 });

function reading(rows: readonly Row[], more?: Fields) {
  const result = outcome(rows, more);
  assert.ok("reading" in result, JSON.stringify(result));
  assert.equal(checkReading(result.reading), undefined);
  const { epoch, sampledAt, ...rest } = result.reading;
  assert.deepEqual([epoch, sampledAt], ["e", 7]);
  return rest;
}

function problem(rows: readonly Row[], more?: Fields) {
  const result = outcome(rows, more);
  assert.ok("problem" in result, JSON.stringify(result));
  return result.problem;
}

describe("what a query returns", () => {
  it("is a number of waiting jobs, under any name, as a number or as the text of a large or exact one", () => {
    for (const [value, waiting] of [
      [3, 3],
      ["3", 3],
      [3n, 3],
      ["2.0000", 2],
      ["2.4", 3],
      [0, 0],
    ] as const)
      assert.deepEqual(reading([{ count: value }]), { waiting }, String(value));
  });

  it("is unknown where it is no number: never zero", () => {
    for (const value of [
      null,
      undefined,
      "",
      "many",
      true,
      false,
      -1,
      "-1",
      Number.NaN,
      Number.POSITIVE_INFINITY,
      new Date(),
      [],
      {},
    ]) {
      const { kind, message } = problem([{ count: value }]);
      assert.equal(kind, "invalid");
      assert.match(message, /column `count` must be a number, 0 or more; found /, String(value));
    }
    assert.match(problem([{ waiting: null }]).message, /found NULL/);
    assert.match(problem([{ waiting: "geheim" }]).message, /found text$/, "what stands in a row is nobody's to read in a log");
  });

  it("is unknown where there is no row, or more than one", () => {
    assert.match(problem([]).message, /must return one row; found none/);
    assert.match(problem([{ n: 1 }, { n: 2 }]).message, /found 2; name one by `queue`/);
    assert.equal(problem([]).kind, "invalid");
  });

  it("names what it tells by columns, and an unknown one is a mistake, not a detail", () => {
    const row = { waiting: "4", running: 2, due_soon: 1, reserved: 3, enqueued: "900", finished: 800, oldest_seconds: "1.5" };
    assert.deepEqual(reading([row]), {
      waiting: 4,
      running: 2,
      dueSoon: 1,
      reserved: 3,
      enqueued: 900,
      finished: 800,
      oldestMs: 1500,
    });
    assert.match(problem([{ waiting: 1, runing: 2 }]).message, /column `runing` is none of `waiting`, .*`running`/);
    assert.match(problem([{ waiting: 1, running: null }]).message, /column `running` must be a number/);
  });

  it("has an age only while something waits, and none from the future", () => {
    assert.deepEqual(reading([{ waiting: 0, oldest_seconds: null }]), { waiting: 0 });
    assert.deepEqual(reading([{ waiting: 0, oldest_seconds: 9 }]), { waiting: 0 });
    assert.deepEqual(reading([{ waiting: 1, oldest_seconds: -4 }]), { waiting: 1, oldestMs: 0 });
    assert.match(
      problem([{ waiting: 1, oldest_seconds: new Date() }]).message,
      /`oldest_seconds` must be a number; found a time/,
    );
  });

  it("has no limit where `ceiling` is NULL, and a pause where it is 0", () => {
    assert.deepEqual(reading([{ waiting: 1, ceiling: null }]), { waiting: 1 });
    assert.deepEqual(reading([{ waiting: 1, ceiling: 0 }]), {
      waiting: 1,
      ceiling: 0,
      ceilingReason: "the query's `ceiling` is 0",
    });
  });

  it("names who is busy in an object or a list, as JSON or as its text, and whoever is not there is idle", () => {
    const both = { "mails-1": 2, "mails-2.workers.shop": 1 };
    const workers = [
      { id: "mails-1", busy: 2, seenAt: 7 },
      { id: "mails-2.workers.shop", host: "mails-2", busy: 1, seenAt: 7 },
    ];
    const list = ["mails-1", "mails-2.workers.shop", "mails-1"];
    for (const busy of [both, JSON.stringify(both), list, JSON.stringify(list)])
      assert.deepEqual(reading([{ waiting: 0, busy }]), { waiting: 0, running: 3, workers, othersIdle: true });
    assert.deepEqual(reading([{ waiting: 0, busy: [] }]), { waiting: 0, running: 0, workers: [], othersIdle: true });
  });

  it("takes a missing list of the busy for nobody only where nothing runs", () => {
    assert.deepEqual(reading([{ waiting: 0, running: 0, busy: null }]), {
      waiting: 0,
      running: 0,
      workers: [],
      othersIdle: true,
    });
    assert.deepEqual(reading([{ waiting: 0, running: 2, busy: null }]), { waiting: 0, running: 2 });
    const { running, workers, runningUnknown } = reading([{ waiting: 0, busy: null }]);
    assert.deepEqual([running, workers], [undefined, undefined]);
    assert.match(runningUnknown ?? "", /`busy` is NULL/);
    for (const busy of ["mails-1", { a: -1 }, { a: "x" }, [null], [1], 4, true])
      assert.match(problem([{ waiting: 0, busy }]).message, /column `busy` must be a list/, JSON.stringify(busy));
  });

  it("may have a row for each queue: one that is missing is unknown, or empty where the trigger says so", () => {
    const rows = [
      { queue: "a", waiting: 1 },
      { queue: "b", waiting: 2 },
      { queue: "b ", waiting: 9 },
    ];
    assert.deepEqual(reading(rows, { queue: "b" }), { waiting: 2 });
    const { kind, message } = problem(rows, { queue: "c" });
    assert.equal(kind, "missing");
    assert.match(message, /no row for queue 'c'.*`withoutRow: Empty`/);
    assert.deepEqual(reading(rows, { queue: "c", withoutRow: "Empty" }), { waiting: 0 }, "of what runs it tells nothing");
    assert.match(problem([...rows, { queue: "a", waiting: 3 }], { queue: "a" }).message, /one row for queue 'a'; found 2/);
    assert.match(problem([{ name: "a", waiting: 1 }], { queue: "a" }).message, /must return a column `queue`/);
  });

  it("without a row for the queue tells of what runs by its columns: words in the query's text are no proof that nobody is busy", () => {
    const query = "SELECT queue, count(*) AS waiting FROM jobs WHERE NOT busy AND state <> 'running' GROUP BY queue";
    const empty = (columns: readonly string[]) => reading([], { queue: "c", withoutRow: "Empty", query, columns });
    assert.deepEqual(empty(["queue", "waiting"]), { waiting: 0 });
    assert.deepEqual(empty(["queue", "waiting", "running"]), { waiting: 0, running: 0 });
    assert.deepEqual(empty(["queue", "waiting", "busy"]), { waiting: 0, running: 0, workers: [], othersIdle: true });
    const none = { queue: "c", withoutRow: "Empty", query };
    assert.match(problem([], { ...none, columns: ["name", "waiting"] }).message, /must return a column `queue`/);
    assert.match(problem([], { ...none, columns: ["queue", "waitng", "running"] }).message, /column `waitng` is none of/);
  });
});

describe("a trigger on a database", () => {
  it("wants one query that reads", () => {
    const refused = [
      "",
      "DELETE FROM jobs",
      "UPDATE jobs SET a = 1",
      "select",
      "selected",
      "BEGIN; SELECT 1",
      "-- x\nDELETE",
      "EXPLAIN SELECT 1",
    ];
    for (const query of refused) assert.equal(postgresql.query.safeParse({ query }).success, false, query);
    for (const query of ["SELECT 1", "  select\n1", "WITH a AS (SELECT 1) SELECT 1", "(SELECT 1) UNION (SELECT 2)"])
      assert.equal(postgresql.query.safeParse({ query }).success, true, query);
    assert.equal(mysql.query.safeParse({ query: "SELECT 1", listen: "jobs" }).success, false, "MySQL has no channels");
  });

  it("sees what its query names", () => {
    const sight = (query: string) => {
      const { running, workers } = postgresql.sight(postgresql.query.parse({ query }) as never);
      return { running, workers };
    };
    assert.deepEqual(sight("SELECT count(*) FROM jobs"), { running: false, workers: false });
    assert.deepEqual(sight("SELECT 1 AS waiting, 2 AS running"), { running: true, workers: false });
    assert.deepEqual(sight("SELECT 1 AS waiting, '[]' AS busy"), { running: true, workers: true });
    assert.deepEqual(sight("SELECT count(*) FROM jobs WHERE state <> 'running'"), { running: false, workers: false });
  });
});
