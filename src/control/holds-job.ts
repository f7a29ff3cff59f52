import type { Observation } from "../core/contract.ts";

/** A reading older than this does not prove that a worker is idle, ms. */
const freshMs = 10_000;

/**
 * Whether the brokers show that this worker has a job in hand. False only when every trigger of its pool is known, fresh,
 * and tells of workers; undefined: not known, which is not idle.
 */
export function holdsJob(id: string, observations: readonly Observation[], now: number): boolean | undefined {
  const named = observations.map(({ reading }) => reading?.workers?.find((worker) => worker.id === id));
  if (named.some((worker) => worker !== undefined && worker.busy > 0)) return true;
  const proven = observations.every(
    ({ reading, sentAt, failure }) =>
      failure === undefined && reading?.workers !== undefined && sentAt !== undefined && now - sentAt < freshMs,
  );
  if (proven && observations.length > 0) return false;
  // Where nobody names workers, nothing running at all is proof too.
  const empty = observations.every(
    ({ reading, sentAt, failure }) =>
      failure === undefined && reading?.running === 0 && sentAt !== undefined && now - sentAt < freshMs,
  );
  return empty && observations.length > 0 ? false : undefined;
}
