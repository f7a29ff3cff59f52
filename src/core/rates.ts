import type { Reading } from "./contract.ts";
import type { RateMemory } from "./memory.ts";
import { backlog, inHand } from "./reading.ts";

/**
 * Arrival rate and service time, measured online from successive readings.
 *
 * Service time is a ratio of sums: worked job-time over finished jobs (the utilisation law, X·S = B). Time worked counts
 * before a job finishes, so long jobs are not overlooked. A hint counts as so many jobs seen. The sums decay together,
 * with a half-life of five service times, one minute at least.
 *
 * Arrivals and completions come from the broker's counters; one counter is enough, conservation gives the other.
 * Without counters, a first-in-first-out queue tells by its oldest job: L jobs whose oldest waits for w came within w, as
 * λ = L/w. The next reading's oldest job shows how far into them the workers got; what waits beyond the rest is new.
 * That is worth something only for longer queues.
 */
const hintJobs = 5;
/** Below so many finished jobs nothing counts as measured. */
const enoughDone = 3;
/** Below so many waiting jobs the oldest one's age says too little about the rate. */
const enoughWaiting = 20;
const leastHalfLifeMs = 60_000;
/** A rate taken from less time than this, or forgotten down to it, is not known. */
const leastSpanMs = 500;
/** The oldest job is the same one, or came with it, ms. */
const sameAgeMs = 50;

export type Source = "measured from counters" | "measured from the oldest job's age" | "as given" | "assumed";
export type Hint = Readonly<{ serviceMs?: number; perSecond?: number }>;
export type Rates = Readonly<{
  serviceMs: number;
  service: Source;
  /** Jobs per ms; 0 when not known. */
  perMs: number;
  arrivals: Source;
}>;

type Flow = Readonly<{
  arrived: number;
  done: number;
  source: "counters" | "age";
  /** The running jobs at both ends stand for those in between: not over a long gap. */
  close: boolean;
}>;

/** Takes one reading in. A reading that is not newer, or has no counts, changes nothing. */
export function observeRates(
  past: RateMemory | undefined,
  reading: Reading,
  hint: Hint,
  intervalMs: number,
): RateMemory | undefined {
  if (reading.waiting === undefined || reading.running === undefined) return past;
  const base = {
    at: reading.sampledAt,
    jobs: backlog(reading) + inHand(reading),
    waiting: reading.waiting,
    running: reading.running,
    ...(reading.oldestMs === undefined || reading.oldestIsLeast ? undefined : { oldestMs: reading.oldestMs }),
    ...(reading.enqueued === undefined ? undefined : { enqueued: reading.enqueued }),
    ...(reading.finished === undefined ? undefined : { finished: reading.finished }),
  };
  if (past === undefined) return { ...nothing, ...base };
  if (past.at === otherData) return { ...sums(past), ...base };
  if (reading.sampledAt <= past.at) return past;
  const dt = base.at - past.at;
  const flow = flowSince(past, reading, intervalMs);
  const kept = flow === undefined || past.source === flow.source ? sums(past) : nothing;
  const halfLife = Math.max(leastHalfLifeMs, 5 * (measuredService(kept, hint) ?? 0));
  const decay = 2 ** (-dt / halfLife);
  // A rate that nothing confirms is forgotten in time; a service time is not.
  if (flow === undefined) return { ...kept, ...base, arrived: kept.arrived * decay, spanMs: kept.spanMs * decay };
  const arrivals = { source: flow.source, arrived: kept.arrived * decay + flow.arrived, spanMs: kept.spanMs * decay + dt };
  if (!flow.close) return { ...base, ...arrivals, done: kept.done, busyMs: kept.busyMs };
  const busyMs = kept.busyMs * decay + ((past.running + base.running) / 2) * dt;
  return { ...base, ...arrivals, done: kept.done * decay + flow.done, busyMs };
}

/** Stands for the time of a reading of data that is no longer the same. */
const otherData = Number.MIN_SAFE_INTEGER;

/** Forgets the reading that the sums reach up to, and keeps the sums: for data that is no longer the same. */
export function rebased(past: RateMemory | undefined): RateMemory | undefined {
  return past === undefined ? undefined : { ...past, at: otherData };
}

type Sums = Pick<RateMemory, "arrived" | "done" | "busyMs" | "spanMs" | "source">;

const nothing: Sums = { arrived: 0, done: 0, busyMs: 0, spanMs: 0 };

function sums({ arrived, done, busyMs, spanMs, source }: RateMemory): Sums {
  return source === undefined ? nothing : { arrived, done, busyMs, spanMs, source };
}

/** Undefined when nothing follows: a counter that went back, a flow that would be negative, too short a queue. */
function flowSince(past: RateMemory, reading: Reading, intervalMs: number): Flow | undefined {
  const close = reading.sampledAt - past.at <= 10 * intervalMs + leastHalfLifeMs;
  const grown = backlog(reading) + inHand(reading) - past.jobs;
  const arrived = difference(past.enqueued, reading.enqueued);
  const done = difference(past.finished, reading.finished);
  if (arrived !== undefined || done !== undefined) {
    const flow = { arrived: arrived ?? (done ?? 0) + grown, done: done ?? (arrived ?? 0) - grown };
    return flow.arrived >= 0 && flow.done >= 0 ? { ...flow, source: "counters", close } : undefined;
  }
  if ((reading.enqueued ?? reading.finished) !== undefined || !close) return undefined;
  const fresh = newByAge(past, reading);
  return fresh === undefined || fresh < grown ? undefined : { arrived: fresh, done: fresh - grown, source: "age", close };
}

/**
 * New jobs by the age of the oldest, as the mean of an even flow: may be negative by chance, which sums even out.
 * Where the oldest is as old as the oldest before, though jobs were taken, they came all at once: none is new.
 */
function newByAge(past: RateMemory, reading: Reading): number | undefined {
  const { waiting = 0, oldestMs, oldestIsLeast = false, sampledAt } = reading;
  // What an age is at least says nothing of how fast jobs come.
  if (past.waiting < enoughWaiting || waiting === 0 || !past.oldestMs || oldestMs === undefined || oldestIsLeast)
    return undefined;
  const begun = past.at - past.oldestMs;
  const now = sampledAt - oldestMs;
  if (now - begun < sameAgeMs) return Math.max(0, waiting - past.waiting);
  return waiting - (past.waiting * Math.max(0, past.at - now)) / past.oldestMs;
}

function difference(before: number | undefined, after: number | undefined): number | undefined {
  if (before === undefined || after === undefined) return undefined;
  // A counter that went back makes the interval void: what is negative is dropped.
  return after - before;
}

function measuredService(sums: Pick<RateMemory, "done" | "busyMs">, hint: Hint): number | undefined {
  if (hint.serviceMs !== undefined) return (hintJobs * hint.serviceMs + sums.busyMs) / (hintJobs + sums.done);
  return sums.done >= enoughDone ? sums.busyMs / sums.done : undefined;
}

/**
 * What is known of the rates now.
 *
 * Where no service time is known, the goal's own time T is assumed. It errs to the safe side of either goal for all jobs
 * shorter than T: a slot for every second waiting job (start within T: half begin at once, the others after one service
 * time, which is T), a slot for every waiting job (drain within T). Jobs longer than T show in the time already worked on
 * those in hand, which raises the assumption.
 */
export function estimateRates(memory: RateMemory | undefined, hint: Hint, goalMs: number): Rates {
  const seen = memory ?? nothing;
  const measured: Source = memory?.source === "age" ? "measured from the oldest job's age" : "measured from counters";
  const enough = seen.done >= enoughDone;
  const service = measuredService(seen, hint) ?? Math.max(goalMs, seen.busyMs / (seen.done + 1));
  const knowsArrivals = seen.spanMs >= leastSpanMs && memory?.source !== undefined;
  return {
    // Jobs too short to be ever seen running would need no worker at all.
    serviceMs: Number.isFinite(service) ? Math.max(1, service) : Math.max(1, goalMs),
    service: enough ? measured : hint.serviceMs === undefined ? "assumed" : "as given",
    perMs: knowsArrivals ? Math.max(0, seen.arrived / seen.spanMs) : (hint.perSecond ?? 0) / 1000,
    arrivals: knowsArrivals ? measured : hint.perSecond === undefined ? "assumed" : "as given",
  };
}
