/** A recommendation and the time at which the next one took its place, monotonic ms. */
export type InForce = Readonly<{ n: number; until: number }>;

/**
 * What was recommended, before any limit. `last` is in force still. `down` keeps only what can yet be the largest of
 * the scale-down window, oldest first; `up` only what can yet be the smallest of the scale-up window.
 */
export type Recommendations = Readonly<{ last: number; down: readonly InForce[]; up: readonly InForce[] }>;

/** A change of size that the target has taken: by how many replicas, and when (monotonic ms). */
export type ScaleEvent = Readonly<{ n: number; at: number }>;

/** Decayed sums from which arrival rate and service time follow, and the reading that they reach up to. */
export type RateMemory = Readonly<{
  /** `sampledAt` of the last reading, its jobs in all, and those of them waiting and running. */
  at: number;
  jobs: number;
  waiting: number;
  running: number;
  oldestMs?: number;
  enqueued?: number;
  finished?: number;
  /** What the sums were taken from. */
  source?: "counters" | "age";
  /** Jobs arrived and finished, job-ms worked, and ms looked at: all decayed alike. */
  arrived: number;
  done: number;
  busyMs: number;
  spanMs: number;
}>;

/** The first of an unbroken run of readings that showed nothing to do. */
export type Zero = Readonly<{ sentAt: number; epoch?: string }>;

export type TriggerMemory = Readonly<{
  name: string;
  /** Identity of the data at the newest good reading, and all its jobs. */
  epoch?: string;
  jobs?: number;
  /** The data changed its identity and fell: nothing is lowered before this time, monotonic ms. */
  holdUntil?: number;
  zero?: Zero;
  /** Jobs that ever came or went, by the counters of the newest good reading. */
  passed?: number;
  /** They grew with that reading: something was done, though nothing may have been seen waiting or running. */
  moved?: true;
  rates?: RateMemory;
}>;

/** What one decision hands to the next. Plain data: it can be stored as JSON and read back. Times are monotonic ms. */
export type Memory = Readonly<{
  /** The pool and the generation of the rules that it belongs to. */
  uid?: string;
  generation?: number;
  /** When it was written. */
  at?: number;
  recommendations?: Recommendations;
  ups?: readonly ScaleEvent[];
  downs?: readonly ScaleEvent[];
  /** When something was last active, and whether something still was at the last decision. */
  lastActiveAt?: number;
  active?: true;
  /** Some reading has named a member of this pool: from then on an unnamed member is not taken for idle. */
  named?: true;
  triggers?: readonly TriggerMemory[];
}>;

export const emptyMemory: Memory = {};

/** Policies look back 30 minutes at most, by the schema. */
const longestPeriodMs = 1_800_000;
/** More events than any sane policy lets happen in that time; beyond, the two oldest become one. */
const mostEvents = 500;

/**
 * Notes a change of size that the target has taken: step limits count these. Call it after a successful write only,
 * as HPA stores its scale events. A size that did not change leaves the memory as it was.
 */
export function recordScale(memory: Memory, from: number, to: number, now: number): Memory {
  if (from === to) return memory;
  const event: ScaleEvent = { n: Math.abs(to - from), at: now };
  return to > from
    ? { ...memory, ups: append(memory.ups ?? [], event) }
    : { ...memory, downs: append(memory.downs ?? [], event) };
}

function append(log: readonly ScaleEvent[], event: ScaleEvent): readonly ScaleEvent[] {
  const kept = log.filter((past) => past.at + longestPeriodMs > event.at);
  const [first, second, ...rest] = kept;
  // Without slack at its end, as a spread would leave it: every pool keeps one.
  if (kept.length < mostEvents || first === undefined || second === undefined) return kept.concat(event);
  return [{ n: first.n + second.n, at: second.at }, ...rest, event];
}
