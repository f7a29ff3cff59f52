import type { JobObject } from "./job-object.ts";

/** Failures in a row, of one ScaledWorker's Jobs. Times are monotonic ms. */
export type Streak = Readonly<{
  failures: number;
  /** When the last of them was seen. */
  lastAt: number;
  /** What it failed of. */
  last?: string;
  /** The ends that are counted in. */
  counted: ReadonlySet<string>;
}>;

export const noStreak: Streak = { failures: 0, lastAt: 0, counted: new Set() };

/** Takes in all Jobs that have ended, in the order of their ends: each failure adds one, each success ends the row. */
export function countEnds(streak: Streak, jobs: readonly JobObject[], now: number): Streak {
  const ended = jobs.filter(({ state }) => state !== "open");
  const fresh = ended.filter(({ uid }) => !streak.counted.has(uid)).toSorted((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  if (fresh.length === 0) return streak;
  let { failures, lastAt, last } = streak;
  for (const job of fresh) {
    failures = job.state === "failed" ? failures + 1 : 0;
    if (job.state !== "failed") continue;
    lastAt = now;
    last = job.failure;
  }
  return { failures, lastAt, counted: new Set(ended.map(({ uid }) => uid)), ...(last !== undefined && { last }) };
}

/** No Job is made before this time; undefined while there are not enough failures in a row. */
export function opensAt(
  { failures, lastAt }: Streak,
  backoff: Readonly<{ afterFailures: number; initialMs: number; maxMs: number }>,
): number | undefined {
  const beyond = failures - backoff.afterFailures;
  return beyond < 0 ? undefined : lastAt + Math.min(backoff.maxMs, backoff.initialMs * 2 ** Math.min(30, beyond));
}
