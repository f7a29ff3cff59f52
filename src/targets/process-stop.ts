import type { HistoryInput } from "../telemetry/history.ts";
import { type ProcessWorker, signalWorker } from "./process-worker.ts";
import type { TargetTrouble } from "./target.ts";

export type StopRules = Readonly<{
  pool: string;
  stopSignal: NodeJS.Signals;
  stopGraceMs: number;
  /** As it is in force now. */
  protect: () => "busy" | "grace";
  /** True: the broker shows that it has a job in hand. Undefined: not known. */
  holdsJob: (id: string) => boolean | undefined;
  history: (line: HistoryInput) => void;
}>;

/** How often an overdue stop is looked at again. */
const RECHECK_MS = 1000;

/**
 * Stopping one worker: the stop signal, the grace, and then
 *
 * | protect | has a job in hand | |
 * |---|---|---|
 * | grace | whatever | SIGKILL to its group |
 * | busy | no | SIGKILL to its group |
 * | busy | yes, or not known | wait on, look again each second, say so |
 */
export type Stopper = Readonly<{
  /** Sends the stop signal. The caller has marked it as leaving, and stored that, before. */
  stop(worker: ProcessWorker, now: number): void;
  /** To be called when `checkAt` has come. */
  check(worker: ProcessWorker, now: number): void;
  kill(worker: ProcessWorker, why: string): void;
  /** Its process is gone and children of it live on. */
  outlived(worker: ProcessWorker, now: number): void;
  trouble(workers: Iterable<ProcessWorker>): TargetTrouble | undefined;
}>;

export function createStopper({ pool, stopSignal, stopGraceMs, protect, holdsJob, history }: StopRules): Stopper {
  const tell = (worker: ProcessWorker, event: "signalled" | "killed", detail: string): void =>
    history({ kind: "member", worker: pool, id: worker.id, pid: worker.pid, event, detail });

  function stop(worker: ProcessWorker, now: number): void {
    if (signalWorker(worker, stopSignal, false)) tell(worker, "signalled", `${stopSignal}, start ${worker.start}`);
    worker.signalledAt = now;
    worker.checkAt = now + stopGraceMs;
  }

  function check(worker: ProcessWorker, now: number): void {
    if (worker.signalledAt === undefined) {
      stop(worker, now);
      return;
    }
    worker.checkAt = worker.signalledAt + stopGraceMs;
    if (now < worker.checkAt) return;
    if (protect() === "grace" || holdsJob(worker.id) === false) {
      kill(worker, `${stopGraceMs} ms after ${stopSignal}`);
      worker.overdueSince = undefined;
    } else worker.overdueSince ??= now;
    worker.checkAt = now + RECHECK_MS;
  }

  function kill(worker: ProcessWorker, why: string): void {
    if (signalWorker(worker, "SIGKILL", true) && !worker.killed)
      tell(worker, "killed", `SIGKILL to its group, start ${worker.start}, ${why}`);
    worker.killed = true;
  }

  /**
   * A wrapper (a shell, npm) that ends without passing the signal on leaves the real worker behind: it gets the signal now.
   * After an end that nobody asked for, the children get the grace first: they may be finishing a job whose message is gone.
   */
  function outlived(worker: ProcessWorker, now: number): void {
    if (worker.killed) worker.checkAt = now + RECHECK_MS;
    else if (worker.signalledAt === undefined) worker.checkAt = now + stopGraceMs;
    else stop(worker, worker.signalledAt);
  }

  function trouble(workers: Iterable<ProcessWorker>): TargetTrouble | undefined {
    const overdue = [...workers].filter((worker) => worker.overdueSince !== undefined);
    if (overdue.length === 0) return undefined;
    const busy = overdue.filter((worker) => holdsJob(worker.id) === true).length;
    const after = `${Math.round(stopGraceMs / 100) / 10} s after ${stopSignal}`;
    const parts = [
      ...(busy > 0 ? [`${count(busy)} still ${busy === 1 ? "has" : "have"} a job in hand ${after}`] : []),
      ...(overdue.length > busy
        ? [`of ${count(overdue.length - busy)} not gone ${after} it is not known whether a job is in hand`]
        : []),
    ];
    return {
      reason: "StopOverdue",
      message: parts.join("; "),
      since: Math.min(...overdue.map((worker) => worker.overdueSince ?? 0)),
    };
  }

  return { stop, check, kill, outlived, trouble };
}

export const count = (n: number): string => `${n} worker${n === 1 ? "" : "s"}`;
