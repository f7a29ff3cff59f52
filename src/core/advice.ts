import type { Sample } from "./contract.ts";
import type { Pool } from "./spec.ts";
import { span } from "./words.ts";

/** What is amiss with a queue's settings, by itself and beside its pool: one sentence each. */
export function adviceOn(reading: Sample | undefined, pool: Pick<Pool, "graceMs"> | undefined): readonly string[] {
  const { advice = [], leaseMs } = reading ?? {};
  const graceMs = pool?.graceMs;
  if (leaseMs === undefined || graceMs === undefined || leaseMs <= graceMs) return advice;
  const late = `one that is cut off waits for the rest of that until it is done again: give as much time to stop, or a shorter deadline`;
  return [...advice, `a worker has ${span(graceMs)} to stop, and a job stays its own for ${span(leaseMs)}: ${late}`];
}
