import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** What goes wrong in real life around Redis, workers on this machine, files and the process itself. Titles name the row. */
const rows: Readonly<Record<number, string>> = {
  1: "the broker refuses or errs, and that becomes the number 0",
  2: "work in hand is not in the count: the queue is empty while workers hold it",
  3: "a busy worker is taken away",
  4: "the peer is silent: stopped, dropped by a gateway, half-open",
  5: "the broker restarts; everybody comes back at once, and late answers with them",
  6: "a true answer, a false zero: another server, data lost or swapped",
  7: "statistics are absent after a restart",
  12: "workers live and take nothing",
  13: "workers crash at once, or cannot be started",
  15: "connections leak until the broker is full",
  16: "credentials are wrong or revoked",
  17: "Sentinel names another primary",
  18: "one worker has fetched everything ahead",
  19: "tasks are given out again by the visibility timeout",
  20: "a job that takes too long loses its channel, and is given out again",
  25: "workers that leave still work while others begin",
  26: "one bad object harms the others",
  27: "a secret is rotated",
  28: "the event loop stands still",
  29: "promises pile up behind a dead broker",
  30: "a name cannot be resolved",
  31: "a missing queue is read as an empty one",
  32: "eviction takes the keys of a queue",
  38: "killed at any instruction, and started again",
  39: "the first decisions after a start, without a past",
  40: "a connection is taken, and the handshake never ends",
  41: "an answer is cut off, lost, doubled or garbled",
  42: "the broker is slow",
  43: "TLS: expired, another authority, another name",
  44: "LOADING, MISCONF, MASTERDOWN, out of memory",
  45: "a replica is read: behind, or demoted",
  46: "a cluster moves its slots",
  47: "a cluster loses a node",
  48: "delayed and paused jobs are taken for demand",
  49: "a job kills each worker that takes it",
  50: "a server short of memory blocks connections",
  51: "a queue is deleted and declared again",
  52: "a cluster has lost the node of a queue, or too many of them",
  53: "a statistic is minutes old, or there is none",
  54: "a count that is negative, no number, or huge",
  55: "a stream's group changes, and nothing is pushed",
  56: "what is pushed is lost: reconnect, flush, swap",
  57: "a database counts wrong: a standby that is behind, a query that hangs",
  64: "the wall clock steps",
  65: "who is busy is not told any more",
  68: "a worker loses the task that it had just taken when it is stopped",
  70: "values that are wrong",
  71: "an edit in the midst of a decision",
  72: "a pause is lost",
  73: "a secret is missing",
  75: "a rejection or an error event that nobody listens to",
  76: "a healthy controller is restarted during an outage",
  77: "no file descriptor is left",
  78: "the heap is small",
  81: "a limit of the broker is reached",
  98: "a window of a schedule is missed or doubled: summer time, zones, several controllers",
};

/** Those that each broker besides Redis can have by itself, with the files that try them: what Redis survives, another may not. */
const byBroker: Readonly<Record<string, Readonly<{ files: readonly string[]; rows: readonly number[] }>>> = {
  RabbitMQ: {
    files: ["../slow/faults-rabbitmq*.test.ts"],
    rows: [1, 2, 4, 5, 6, 7, 15, 16, 18, 20, 30, 31, 40, 41, 42, 43, 50, 51, 52, 81],
  },
  gRPC: {
    files: ["pubsub.test.ts", "../slow/faults-pubsub-*.test.ts", "../slow/faults-external.test.ts"],
    rows: [1, 4, 5, 16, 30, 31, 40, 41, 42, 43, 53, 54, 81],
  },
  PostgreSQL: {
    files: ["../slow/faults-postgresql.test.ts"],
    rows: [1, 4, 5, 15, 16, 27, 30, 31, 40, 41, 42, 43, 45, 54, 57, 81],
  },
  HTTP: { files: ["../slow/faults-http.test.ts"], rows: [1, 4, 16, 30, 31, 40, 41, 42, 43, 53, 54] },
};

/** Most take long; those of a cluster have a list of their own. */
const everywhere = ["*.test.ts", "../slow/faults-*.test.ts"];

/** Rows that titles of tests name: `(row 3)`, `(rows 3, 12)`. */
function tried(patterns: readonly string[]): ReadonlySet<number> {
  const files = patterns.map((pattern) => join(import.meta.dirname, pattern));
  const texts = globSync(files).map((file) => readFileSync(file, "utf8"));
  const named = texts.flatMap((text) =>
    [...text.matchAll(/\btest\(\s*["`].*\(rows? ([\d, ]+)\)["`]/g)].map(([, list = ""]) => list),
  );
  return new Set(named.flatMap((list) => list.split(",").map(Number)));
}

test("Every row has a test that names it, and no test names another one", () => {
  const named = tried(everywhere);
  const missing = Object.entries(rows).filter(([row]) => !named.has(Number(row)));
  assert.deepEqual(missing, []);
  assert.deepEqual(
    [...named].filter((row) => rows[row] === undefined),
    [],
  );
});

for (const [broker, { files, rows }] of Object.entries(byBroker)) {
  test(`Every row that ${broker} can have is tried on it`, () => {
    const named = tried(files);
    assert.deepEqual(
      rows.filter((row) => !named.has(row)),
      [],
    );
  });
}
