import type { Problem, Result, Sample } from "../../src/core/contract.ts";
import type { Document } from "./document.ts";
import type { Query } from "./query.ts";

/** What one document says of one queue. */
export function resultOf(query: Query, document: Document | Problem | undefined, epoch: string): Result {
  if (document === undefined) return { problem: { kind: "internal", message: "the document was not asked for" } };
  if ("kind" in document) return { problem: document };
  const given = query.takenAt === undefined ? 0 : document.age(query.takenAt);
  if (Number.isNaN(given)) return { problem: { kind: "invalid", message: `there is no time at '${query.takenAt}'` } };
  const age = Math.max(0, given) + document.keptMs;
  if (age > query.maxAge) {
    const message = `the numbers are ${Math.round(age / 1000)} s old, and \`maxAge\` is ${query.maxAge / 1000} s`;
    return { problem: { kind: "missing", message } };
  }
  const waiting = numberAt(document, query, query.waiting);
  if (typeof waiting !== "number") return { problem: waiting };
  const sampledAt = document.askedAt - age;
  return { reading: { waiting: Math.ceil(waiting), ...restOf(document, query, waiting), epoch, sampledAt } };
}

function restOf(document: Document, query: Query, waiting: number): Sample {
  const at = (place: string | undefined) => (place === undefined ? undefined : numberAt(document, query, place));
  const [running, oldest] = [at(query.running), at(query.oldestSeconds)];
  const [enqueued, finished] = [at(query.enqueued), at(query.finished)];
  return {
    ...(typeof running === "number" && { running: Math.ceil(running) }),
    ...(typeof running === "object" && { runningUnknown: running.message }),
    ...(waiting > 0 && typeof oldest === "number" && { oldestMs: oldest * 1000 }),
    ...(typeof enqueued === "number" && { enqueued: Math.floor(enqueued) }),
    ...(typeof finished === "number" && { finished: Math.floor(finished) }),
  };
}

/** The number at a place; what is missing or makes no sense is a problem. */
function numberAt(document: Document, { combine }: Query, place: string): number | Problem {
  const found = document.numbers(place);
  const [first, ...more] = found;
  if (first === undefined) return { kind: "missing", message: `there is nothing at '${place}'` };
  const wrong = found.find((one) => !Number.isFinite(one) || one < 0);
  if (wrong !== undefined) return { kind: "invalid", message: `what stands at '${place}' is not a number of jobs` };
  if (combine === "sum") return found.reduce((sum, one) => sum + one, 0);
  if (combine === "max") return found.reduce((most, one) => Math.max(most, one));
  if (more.length === 0) return first;
  return { kind: "invalid", message: `there are ${found.length} numbers at '${place}': set \`combine\` to 'sum' or 'max'` };
}
