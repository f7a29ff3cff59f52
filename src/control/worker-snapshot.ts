import type { ProblemKind } from "../core/contract.ts";
import type { Decision, Reason } from "../core/decision.ts";
import type { Columns } from "../telemetry/series.ts";
import type { Condition } from "./conditions.ts";

/** Times are ISO, wall clock; durations ms. A field left out is not known: never zero. */
export type TriggerSnapshot = Readonly<{
  name: string;
  /** The scaler's type. */
  type: string;
  connection: string;
  /** Another trigger that counts the same jobs: sums over a pool leave this one out. */
  countedBy?: string;
  /** "start within 30 s". */
  goal: string;
  /** "430 waiting, oldest 41 s": of the newest reading, which may be younger than the decision. */
  reading?: string;
  state: "known" | "stale" | "unknown";
  active: boolean;
  waiting?: number;
  dueSoon?: number;
  running?: number;
  reserved?: number;
  ceiling?: number;
  ceilingReason?: string;
  /** Since when the oldest waiting job waits. */
  oldestAt?: string;
  /** It may wait for longer: the broker does not tell. */
  oldestIsLeast?: boolean;
  /** How long a job should wait at most, where the goal says: what the page draws as a line. */
  waitTargetMs?: number;
  wants?: number;
  /** When the last good reading was asked for. */
  readAt?: string;
  /** When its source took the numbers: statistics are older than the answer that carries them. */
  sampledAt?: string;
  /** What is amiss with the queue's own settings, and the way out. */
  advice?: readonly string[];
  problem?: Readonly<{ kind: ProblemKind; message: string; since: string; count: number }>;
}>;

/** A decision that changed the size, or that was made for another reason than the one before. */
export type ChangeSnapshot = Readonly<{ id: string; at: string }> &
  Pick<Decision, "from" | "to" | "rule" | "reason" | "summary" | "steps">;

/** Everything that is to be told of one ScaledWorker: `explain`, the API and the page show the same. */
export type WorkerSnapshot = Readonly<{
  generatedAt: string;
  namespace: string;
  name: string;
  /** For people: "process node worker.js". */
  target: string;
  mode: "Scale" | "Observe";
  generation: number;
  min: number;
  max: number;
  idle: number;
  /** Jobs that one replica works on at once. */
  concurrency: number;
  /** Absent while the target is not known yet. */
  pool?: Readonly<{ wanted: number; existing: number; ready: number; leaving: number }>;
  /** Workers with a job in hand; absent while a trigger is not known. */
  busy?: number;
  /** Workers beside those that nothing proves idle: scale-down spares them too. */
  unproven?: number;
  decision?: Decision;
  decidedAt?: string;
  triggers: readonly TriggerSnapshot[];
  conditions: readonly Condition[];
  /** Since when jobs wait, workers are ready and none of them works on any. Some seconds are usual. */
  untakenSince?: string;
  trouble?: Readonly<{ reason: string; message: string; since: string }>;
  /** The last change of size. */
  lastChange?: Readonly<{ at: string; from: number; to: number; reason: Reason }>;
  /** The last decisions worth telling, newest first; some twenty. */
  changes: readonly ChangeSnapshot[];
  /** "more than 450 waiting: 10", one line each. */
  whatWouldChange: readonly string[];
  /** The last minutes for charts; left out of lists of many workers. */
  series?: Columns;
}>;

/** One connection, as the observer tells of it. */
export type ConnectionSnapshot = Readonly<{
  name: string;
  type: string;
  up: boolean;
  triggers: number;
  rounds: number;
  lastRoundMs?: number;
  lastRoundAt?: string;
  problem?: Readonly<{ kind: ProblemKind; message: string; since: string }>;
  /** What may go wrong with it though it answers. */
  warning?: string;
}>;

/** Where the web takes what it shows. Nothing is asked for while nobody looks. */
export type SnapshotSource = Readonly<{
  /** All workers, without their series, in a stable order. */
  workers(): readonly WorkerSnapshot[];
  /** One worker, without its series; undefined when there is none of that name. */
  worker(namespace: string, name: string): WorkerSnapshot | undefined;
  /** The points of its series with `t` (ms since 1970) of at least `since`. */
  series(namespace: string, name: string, since: number): Columns;
  connections(): readonly ConnectionSnapshot[];
}>;

/** What may have changed since it was last shown. */
export type ChangeHint = Readonly<{ worker: Readonly<{ namespace: string; name: string }> } | { workers: true }>;

/** Tells of changes until the returned function is called. */
export type Subscribe = (listener: (hint: ChangeHint) => void) => () => void;

/** Whether all is there that makes an answer of use. */
export type Readiness = Readonly<{ ready: boolean; message: string }>;

/** The key of a worker in history lines and series. */
export const workerKey = (namespace: string, name: string): string => `${namespace}/${name}`;
