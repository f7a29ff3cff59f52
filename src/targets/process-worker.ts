import type { ChildProcess } from "node:child_process";
import type { Member } from "../core/spec.ts";
import { groupLivesWithoutLeader, isSame } from "./process-identity.ts";
import type { MemberRecord } from "./process-state.ts";

/** One worker process under supervision. */
export type ProcessWorker = {
  readonly id: string;
  readonly slot: number;
  readonly pid: number;
  /** With the pid, its identity: see ProcessRow. */
  readonly start: string;
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly log: string | undefined;
  /** Absent for one that an earlier worktide started: its end is found by looking. */
  readonly child: ChildProcess | undefined;
  /** The step of the back-off that it was started in. */
  readonly step: number;
  leaving: boolean;
  /** When it was sent the stop signal, monotonic ms. */
  signalledAt: number | undefined;
  /** When to look again whether its stop is overdue, monotonic ms. */
  checkAt: number | undefined;
  /** Since when its stop is overdue and it is let live, monotonic ms. */
  overdueSince: number | undefined;
  killed: boolean;
  /** How the process itself ended, while children of it live on in its group. */
  ended: string | undefined;
};

/** A worker counts as ready once it has lived so long: most that cannot work end sooner. */
export const READY_MS = 500;

export function memberOf(worker: ProcessWorker, now: number): Member {
  const { id, leaving, startedAt } = worker;
  return { id, leaving, startedAt, ready: now - startedAt >= READY_MS };
}

export function recordOf({ id, slot, pid, start, startedAt, log, leaving, signalledAt }: ProcessWorker): MemberRecord {
  return {
    id,
    slot,
    pid,
    start,
    startedAt,
    leaving,
    ...(log === undefined ? {} : { log }),
    ...(signalledAt === undefined ? {} : { signalledAt }),
  };
}

/** Sends the signal to the worker, or to its whole group; never to a process that only has its pid. False: nobody was there. */
export function signalWorker(worker: ProcessWorker, signal: NodeJS.Signals, whole: boolean): boolean {
  const there = worker.ended === undefined ? isSame(worker.pid, worker.start) : groupLivesWithoutLeader(worker.pid);
  if (!there) return false;
  try {
    process.kill(whole || worker.ended !== undefined ? -worker.pid : worker.pid, signal);
    return true;
  } catch {
    return false; // ended between the two lines above
  }
}

/** Nobody tells us of its end: it is not our child, or its process is gone and the rest of its group is not. */
export function isWatched(worker: ProcessWorker): boolean {
  return worker.child === undefined || worker.ended !== undefined;
}

/** When something about it is due: its stop looked at, its readiness told. Monotonic ms. */
export function dueAt({ checkAt, startedAt }: ProcessWorker, now: number): readonly number[] {
  const readyAt = startedAt + READY_MS;
  return [...(checkAt === undefined ? [] : [checkAt]), ...(now < readyAt ? [readyAt] : [])];
}
