import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { processes } from "./process-identity.ts";
import type { ProcessLogs, WorkerFile } from "./process-logs.ts";
import { launch, type ProcessSpec } from "./process-start.ts";
import type { MemberRecord } from "./process-state.ts";
import type { ProcessWorker } from "./process-worker.ts";

export type StarterOptions = Readonly<{
  pool: string;
  spec: ProcessSpec;
  env: Readonly<Record<string, string | undefined>>;
  clock: () => number;
  logs: ProcessLogs;
  warn: (fields: object, message: string) => void;
  /** Told why a worker could not be started, at latest in the next turn. */
  failed: (message: string) => void;
}>;

export type Starter = Readonly<{
  /**
   * Starts so many; fewer came back when one could not be started, the rest was not tried. `store` is called with what is about
   * to be started: ids go to the file before the processes start, so that they are found even when worktide is killed in between.
   */
  start(
    size: number,
    around: Readonly<{ step: number; others: readonly ProcessWorker[]; store: (planned: readonly MemberRecord[]) => void }>,
  ): readonly ProcessWorker[];
}>;

type Started = Readonly<{ record: MemberRecord; child: ChildProcess & { pid: number } }>;

export function createStarter({ pool, spec, env, clock, logs, warn, failed }: StarterOptions): Starter {
  function plan(slot: number): MemberRecord {
    const id = `${pool}-${slot}-${randomBytes(2).toString("hex")}`;
    return { id, slot, startedAt: clock(), leaving: false, log: logs.fileOf(id) };
  }

  function openFile(id: string): WorkerFile | undefined {
    try {
      return logs.open(id);
    } catch (cause) {
      warn(
        { id, error: cause instanceof Error ? cause.message : String(cause) },
        "log file cannot be opened: what this worker writes is lost",
      );
      return undefined;
    }
  }

  return {
    start: (size, { step, others, store }) => {
      const planned = freeSlots(size, new Set(others.map(({ slot }) => slot))).map(plan);
      store(planned);
      const started: Started[] = [];
      for (const record of planned) {
        const child = launch({ spec, pool, id: record.id, env, file: openFile(record.id) }, failed);
        if (child === undefined) {
          logs.drop(record.id);
          break;
        }
        started.push({ record, child });
      }
      // In the same turn: a child that has ended already is a zombie, and still has its start time.
      const starts = new Map(processes(started.map(({ child }) => child.pid)).map(({ pid, start }) => [pid, start]));
      return started.map(({ record, child }) => enlisted(record, child, starts.get(child.pid) ?? "", step));
    },
  };
}

/** The lowest numbers that are free. */
function freeSlots(size: number, taken: ReadonlySet<number>): readonly number[] {
  const free: number[] = [];
  for (let slot = 1; free.length < size; slot++) if (!taken.has(slot)) free.push(slot);
  return free;
}

function enlisted(
  { id, slot, startedAt, log }: MemberRecord,
  child: ChildProcess & { pid: number },
  start: string,
  step: number,
): ProcessWorker {
  return {
    ...{ id, slot, startedAt, start, child, log, step, pid: child.pid, leaving: false },
    ...{ signalledAt: undefined, checkAt: undefined, overdueSince: undefined, killed: false, ended: undefined },
  };
}
