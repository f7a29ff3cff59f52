import type { Problem, Reading, Sample } from "./contract.ts";
import { byName, workersOf } from "./names.ts";
import type { Pool } from "./spec.ts";

const counts = ["waiting", "dueSoon", "running", "reserved", "ceiling", "enqueued", "finished", "wants", "atMost"] as const;

/**
 * Tells whether a reading makes sense: every count a whole number, not negative, not absurdly large; every time a
 * number. What does not is unknown: never zero, never the maximum.
 */
export function checkReading(reading: Sample): Problem | undefined {
  for (const field of counts) {
    const value = reading[field];
    if (value !== undefined && !isCount(value)) return invalid(field, value);
  }
  if (reading.oldestMs !== undefined && !(reading.oldestMs >= 0 && reading.oldestMs < Number.MAX_SAFE_INTEGER)) {
    return invalid("oldestMs", reading.oldestMs);
  }
  if (reading.sampledAt !== undefined && !Number.isFinite(reading.sampledAt)) return invalid("sampledAt", reading.sampledAt);
  for (const worker of reading.workers ?? []) {
    if (!isCount(worker.busy)) return invalid(`busy of worker ${worker.id}`, worker.busy);
    if (worker.reserved !== undefined && !isCount(worker.reserved)) {
      return invalid(`reserved of worker ${worker.id}`, worker.reserved);
    }
  }
  return undefined;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function invalid(field: string, value: unknown): Problem {
  return { kind: "invalid", message: `${field} is ${String(value)}, which is not a count` };
}

/** Jobs that a new replica could help with: L of the formulas. */
export function backlog(reading: Reading): number {
  return (reading.waiting ?? 0) + (reading.dueSoon ?? 0);
}

/** Jobs in a worker's hands, begun or not. */
export function inHand(reading: Reading): number {
  return (reading.running ?? 0) + (reading.reserved ?? 0);
}

/**
 * Jobs that give workers something to do now. While the queue lets none run (paused: ceiling 0), those that wait
 * give none.
 */
export function work(reading: Reading): number {
  return reading.ceiling === 0 ? inHand(reading) : backlog(reading) + inHand(reading);
}

/** Less the jobs of workers that were told to stop: they finish these themselves, so they are no demand for others. */
export function withoutLeaving(reading: Reading, { members }: Pool): Reading {
  const leaving = members?.filter((member) => member.leaving) ?? [];
  if (leaving.length === 0 || reading.workers === undefined) return reading;
  const named = byName(reading.workers);
  const theirs = [...new Set(leaving.flatMap((member) => workersOf(member, named)))];
  const running = theirs.reduce((sum, { busy }) => sum + busy, 0);
  const reserved = theirs.reduce((sum, worker) => sum + (worker.reserved ?? 0), 0);
  return {
    ...reading,
    ...(reading.running !== undefined && { running: Math.max(0, reading.running - running) }),
    ...(reading.reserved !== undefined && { reserved: Math.max(0, reading.reserved - reserved) }),
  };
}
