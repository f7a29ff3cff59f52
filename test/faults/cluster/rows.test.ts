import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** What goes wrong in real life around a cluster, tried with whole controllers. Titles of tests name the row; some are slow. */
const rows: Readonly<Record<number, string>> = {
  3: "a busy worker is taken away",
  8: "a watch is silent, and nobody notices",
  9: "each write meets another version",
  10: "what is read is of the past",
  11: "the leader is stopped for longer than its Lease, and goes on",
  12: "workers live and take nothing",
  13: "workers cannot be started: image, quota",
  14: "somebody else sets the size too",
  21: "the API server is down, or nobody knows what became of a write",
  22: "the API server wants to be left alone",
  23: "the session is half-open",
  24: "the API server is slow, and the Lease is lost",
  25: "workers that leave still work while others begin",
  26: "one bad object harms the others",
  27: "a secret is rotated",
  29: "calls pile up behind a broker that is dead",
  33: "the target is deleted and made again",
  34: "the Lease is lost while a write is under way",
  35: "a renewal counts from its answer",
  36: "two replicas have one name",
  37: "others go than those who were chosen",
  58: "410: everything has to be listed anew",
  59: "events of a watch are lost, doubled, late",
  60: "a webhook of somebody is down",
  61: "our kinds are removed and made again",
  62: "the namespace ends",
  63: "rights are taken away",
  64: "the wall clock steps",
  65: "who is busy is not told any more",
  66: "a node is lost",
  67: "a rollout is under way",
  68: "a warm shutdown of Celery loses the task just taken",
  69: "two ScaledWorkers have one target",
  70: "values that are wrong",
  71: "an edit in the midst of a decision",
  72: "a pause is lost",
  73: "a secret is missing",
  74: "a secret is told",
  77: "no file descriptor is left",
  78: "the heap is at its end",
};

/** Rows that titles of tests name: `(row 3)`, `(rows 3, 12)`. */
function tried(): ReadonlySet<number> {
  const slow = globSync(join(import.meta.dirname, "../../slow/cluster-*.test.ts"));
  const texts = [...globSync(join(import.meta.dirname, "*.test.ts")), ...slow].map((file) => readFileSync(file, "utf8"));
  const named = texts.flatMap((text) =>
    [...text.matchAll(/\btest\(\s*["`].*\(rows? ([\d, ]+)\)["`]/g)].map(([, list = ""]) => list),
  );
  return new Set(named.flatMap((list) => list.split(",").map(Number)));
}

test("every row of a cluster has a test of whole controllers that names it", () => {
  const named = tried();
  assert.deepEqual(
    Object.entries(rows).filter(([row]) => !named.has(Number(row))),
    [],
  );
});
