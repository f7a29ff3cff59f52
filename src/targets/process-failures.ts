import { createBackoff, LOOP_LEVEL, STEADY_MS } from "./process-backoff.ts";
import type { ProcessWorker } from "./process-worker.ts";
import type { TargetTrouble } from "./target.ts";

export type FailuresOptions = Readonly<{
  clock: () => number;
  warn: (fields: object, message: string) => void;
  lastLine: (id: string) => string | undefined;
}>;

/** What went wrong with the workers of one pool, what that means for starting more, and how it is told. */
export type Failures = Readonly<{
  /** See Backoff: a worker carries the step that it was started in. */
  step(): number;
  /** A worker ended though nobody told it to. */
  crashed(worker: ProcessWorker, how: string): void;
  /** One could not be started; why comes by {@link because}, perhaps later. */
  notStarted(): void;
  because(message: string): void;
  /** These were started, `missing` are still. */
  started(workers: readonly ProcessWorker[], missing: number): void;
  /** To be called with every worker now and then. */
  look(worker: ProcessWorker, now: number): void;
  /** How many of the missing may start now. */
  startable(missing: number, workers: Iterable<ProcessWorker>, now: number): number;
  /** When more may start, or this worker will have proven steady; monotonic ms. */
  opensAt(now: number): number | undefined;
  steadyAt(worker: ProcessWorker): number | undefined;
  trouble(): TargetTrouble | undefined;
}>;

export function createFailures({ clock, warn, lastLine }: FailuresOptions): Failures {
  const backoff = createBackoff();
  /** Of the missing, how many ended by themselves: only their restarts count against the cap. */
  let owed = 0;
  let cannotStart: TargetTrouble | undefined;
  let crash: TargetTrouble | undefined;
  const proves = (worker: ProcessWorker): boolean => !worker.leaving && worker.step === backoff.step();

  function crashed(worker: ProcessWorker, how: string): void {
    const now = clock();
    owed++;
    backoff.failed(worker.step, now - worker.startedAt, now);
    const last = lastLine(worker.id);
    warn(
      { id: worker.id, how, livedMs: Math.round(now - worker.startedAt), ...(last === undefined ? {} : { last }) },
      "worker exited by itself",
    );
    if (backoff.level() < LOOP_LEVEL) return;
    const words = last === undefined ? "" : `; the last line of its log: ${last}`;
    const message = `${worker.id} exited by itself, ${how}; that was soon after its start, ${backoff.level()} times in a row${words}`;
    crash = { reason: "CrashLooping", message, since: crash?.since ?? now };
  }

  function started(workers: readonly ProcessWorker[], missing: number): void {
    if (workers.length > 0) cannotStart = undefined;
    for (; owed > missing; owed--) backoff.restarted(clock());
  }

  function startable(missing: number, workers: Iterable<ProcessWorker>, now: number): number {
    owed = Math.max(0, Math.min(owed, missing));
    if (missing <= 0) return 0;
    return backoff.allowed({ fresh: missing - owed, owed, probing: [...workers].some(proves) }, now);
  }

  return {
    step: backoff.step,
    crashed,
    notStarted: () => backoff.failed(backoff.step(), 0, clock()),
    because: (message) => {
      cannotStart = { reason: "CannotStart", message, since: cannotStart?.since ?? clock() };
    },
    started,
    look: (worker, now) => {
      if (!proves(worker) || now - worker.startedAt < STEADY_MS) return;
      backoff.steady(worker.step);
      crash = undefined;
    },
    startable,
    opensAt: (now) => {
      const opens = backoff.opensAt(now);
      return opens > now ? opens : undefined;
    },
    steadyAt: (worker) => (backoff.level() > 0 && proves(worker) ? worker.startedAt + STEADY_MS : undefined),
    trouble: () => cannotStart ?? (backoff.level() < LOOP_LEVEL ? undefined : crash),
  };
}
