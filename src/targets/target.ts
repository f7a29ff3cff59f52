import type { Pool } from "../core/spec.ts";

/** What the control loop asks of a target. */
export type Change = Readonly<{
  from: number;
  to: number;
  /**
   * Members that may be removed, most removable first: every one was proven idle.
   * Absent: the target chooses (newest first) and its stop grace lets them finish.
   */
  remove?: readonly string[];
  /** The decision behind it, for logs and history. */
  decision: string;
}>;

/** What came of it. `size` is what is wanted now. */
export type Applied = Readonly<{ size: number; note?: string }>;

/** A condition that the target itself has to tell of: crash loops, a missing program. `since`: monotonic ms. */
export type TargetTrouble = Readonly<{
  reason:
    | "CrashLooping"
    | "CannotStart"
    | "StopOverdue"
    | "TargetNotFound" // no such object, or it is being deleted
    | "TargetNotScalable" // its kind has no /scale, or no selector to find its pods by
    | "TargetUnreachable" // the API server could not be asked for it yet
    | "Forbidden" // the API server does not let us read or write it
    | "Conflict" // someone else sets its size again and again
    | "RollingOut"; // it replaces its pods: nobody can say which ones a smaller size would end
  message: string;
  since: number;
}>;

/** What hinders nothing and goes by: told, and no fault of the ScaledWorker. */
export function isPassing(reason: TargetTrouble["reason"]): reason is "StopOverdue" | "RollingOut" {
  return reason === "StopOverdue" || reason === "RollingOut";
}

/** The trouble that there is now: since when the same reason has held. */
export function lasting(
  before: TargetTrouble | undefined,
  found: Pick<TargetTrouble, "reason" | "message"> | undefined,
  now: number,
): TargetTrouble | undefined {
  return found && { ...found, since: found.reason === before?.reason ? before.since : now };
}

/** Something that happened to a target and that people should hear of, once. */
export type TargetNotice = Readonly<{
  reason: "ScaledByOther" | "WrongWorkerRemoved" | "TargetReplaced" | "NotRestored";
  message: string;
}>;

/** What is scaled. It keeps the pool's size; the control loop says which. */
export interface Target extends AsyncDisposable {
  /** For people: "process celery -A app worker". */
  readonly title: string;
  /** As it is now, from memory; undefined while it is not known yet. Never waits. */
  pool(): Pool | undefined;
  trouble(): TargetTrouble | undefined;
  /** Calls back after each change of {@link pool} or {@link trouble}; returns how to stop that. */
  onChange(listener: () => void): () => void;
  /** Resolves when the target has taken the new size, not when every worker is up or gone. */
  apply(change: Change, signal: AbortSignal): Promise<Applied>;
}
