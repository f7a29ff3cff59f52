import { isDeepStrictEqual } from "node:util";
import type { ConditionReason, EventReason } from "../api/conditions.ts";
import type { ScaledWorkerStatus, StatusCondition } from "../api/status.ts";
import type { WorkerSnapshot } from "../control/worker-snapshot.ts";
import type { Decision } from "../core/decision.ts";
import type { TargetNotice } from "../targets/target.ts";
import { meaningOf, type Refused, refusedWorker, type Scaled, statusOf } from "./status.ts";

/** What an event of the API server tells; `action` is what was done or found. */
export type Notice = Readonly<{ type: "Normal" | "Warning"; reason: EventReason; action: string; note: string }>;

export type PublisherHouse = Readonly<{
  snapshot: (key: string) => WorkerSnapshot | undefined;
  /** Its newest spec, where that has an error. */
  refused: (key: string) => Refused | undefined;
  target: (key: string) => Scaled;
  /** The status that was told last, or, where that was written and seen, as the API server has it. */
  newest: (key: string) => ScaledWorkerStatus | undefined;
  /** The newest status of a worker takes the place of one that still waits to be written. */
  write: (key: string, status: ScaledWorkerStatus) => void;
  notify: (key: string, notice: Notice) => void;
  /** Asked before anything is told: only the leader speaks. */
  mayWrite: () => boolean;
}>;

/** Tells the API server how each ScaledWorker stands, on changes only. */
export interface Publisher extends Disposable {
  /** It may stand differently now. */
  touch(key: string): void;
  scaled(key: string, decision: Decision, size: number): void;
  /** Something happened to its target. */
  notice(key: string, notice: TargetNotice): void;
  /** All of them, as after this process became the leader. */
  touchAll(keys: Iterable<string>): void;
  forget(key: string): void;
}

/** What comes within so many ms is told at once. */
const gatherMs = 100;
/** Where something fails, time alone can turn a condition: looked at so often, ms. */
const lookMs = 5_000;

export function createPublisher(house: PublisherHouse): Publisher {
  const dirty = new Set<string>();
  const unsettled = new Set<string>();
  let gathering: NodeJS.Timeout | undefined;

  const touch = (key: string) => {
    dirty.add(key);
    gathering ??= setTimeout(flush, gatherMs);
  };

  function flush(): void {
    gathering = undefined;
    const keys = [...dirty];
    dirty.clear();
    if (house.mayWrite()) for (const key of keys) tell(key);
  }

  function tell(key: string): void {
    const snapshot = house.snapshot(key);
    const refused = house.refused(key);
    const seen = refused === undefined ? snapshot : refusedWorker(snapshot, refused, new Date().toISOString());
    if (seen === undefined) return;
    const before = house.newest(key);
    const status = statusOf(seen, house.target(key), before);
    if (isSettled(status)) unsettled.delete(key);
    else unsettled.add(key);
    // A controller that has just begun knows less than what is written there: nothing is to turn for that.
    const begins = isYoung(status) && before?.observedGeneration === status.observedGeneration;
    if (begins || (before !== undefined && isSame(before, status))) return;
    for (const notice of noticesOf(before, status)) house.notify(key, notice);
    house.write(key, status);
  }

  const looking = setInterval(() => {
    for (const key of unsettled) touch(key);
  }, lookMs);
  looking.unref();

  return {
    touch,
    touchAll(keys) {
      for (const key of keys) touch(key);
    },
    scaled(key, { from, summary }, to) {
      touch(key);
      if (house.mayWrite()) house.notify(key, { type: "Normal", reason: scaleReason(from, to), action: "Scale", note: summary });
    },
    notice(key, { reason, message }) {
      if (house.mayWrite()) house.notify(key, { type: "Warning", reason, action: "Watch", note: message });
    },
    forget(key) {
      dirty.delete(key);
      unsettled.delete(key);
    },
    [Symbol.dispose]() {
      clearInterval(looking);
      clearTimeout(gathering);
    },
  };
}

const isSame = (a: ScaledWorkerStatus, b: ScaledWorkerStatus) => isDeepStrictEqual(meaningOf(a), meaningOf(b));

function scaleReason(from: number, to: number): EventReason {
  if (to === 0) return "ScaledToZero";
  if (from === 0) return "ScaledFromZero";
  return to > from ? "ScaledUp" : "ScaledDown";
}

const of = (status: ScaledWorkerStatus | undefined, type: string): StatusCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

/** Not all of it has been read and decided yet, and nothing fails. */
const isYoung = (status: ScaledWorkerStatus): boolean =>
  of(status, "Ready")?.status === "Unknown" && of(status, "ReadingsFresh")?.status !== "False";

function isSettled(status: ScaledWorkerStatus): boolean {
  const triggers = status.triggers ?? [];
  return of(status, "Ready")?.status === "True" && triggers.every(({ state }) => state === "Fresh");
}

/** What turned, for people who look at events. */
function noticesOf(before: ScaledWorkerStatus | undefined, now: ScaledWorkerStatus): readonly Notice[] {
  const notices: Notice[] = [];
  const [wasReady, ready] = [of(before, "Ready"), of(now, "Ready")];
  if (ready?.status === "False" && (wasReady?.status !== "False" || wasReady.reason !== ready.reason)) {
    notices.push({ type: "Warning", reason: ready.reason as ConditionReason, action: "Check", note: ready.message });
  }
  if (ready?.status === "True" && wasReady?.status === "False") {
    notices.push({ type: "Normal", reason: "Recovered", action: "Check", note: `was ${wasReady.reason}: ${wasReady.message}` });
  }
  const [wasLimited, limited] = [of(before, "ScalingLimited"), of(now, "ScalingLimited")];
  if (limited?.reason === "AtMaximum" && wasLimited?.reason !== "AtMaximum") {
    notices.push({ type: "Normal", reason: "HitMaximum", action: "Limit", note: limited.message });
  }
  const [wasPaused, paused] = [of(before, "Paused"), of(now, "Paused")];
  if (wasPaused !== undefined && paused !== undefined && wasPaused.status !== paused.status) {
    const reason = paused.status === "True" ? "Paused" : "Resumed";
    notices.push({ type: "Normal", reason, action: "Pause", note: paused.message });
  }
  return notices;
}
