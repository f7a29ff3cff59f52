import type { HistoryInput } from "../telemetry/history.ts";
import type { ProcessSpec } from "./process-start.ts";
import type { ProcessWorker } from "./process-worker.ts";
import type { TargetTrouble } from "./target.ts";

export type ProcessLog = Readonly<{ info(fields: object, message: string): void; warn(fields: object, message: string): void }>;

export type ProcessTargetOptions = Readonly<{
  /** The pool: a DNS label. Worker ids begin with it. */
  name: string;
  spec: ProcessSpec;
  /** Read each time that it matters: an edit changes it while workers run. */
  protect: "busy" | "grace";
  /** Where the state file and the logs of all pools are; whoever calls holds the lock on it. */
  stateDir: string;
  /** Monotonic ms, the same for all processes of one boot: hrtime. */
  clock: () => number;
  log: ProcessLog;
  history: (line: HistoryInput) => void;
  /** Takes the lines of the workers, each with its `[id] ` in front. */
  output: (line: string) => void;
  /** Takes secrets out of what workers write. Default: those that this process knows. */
  redact?: (text: string) => string;
  /** True: the broker shows that the worker has a job in hand. Undefined: not known. */
  holdsJob: (id: string) => boolean | undefined;
  /** Worktide's own environment: the workers inherit it. */
  env: Readonly<Record<string, string | undefined>>;
}>;

/** The workers of one pool under supervision: it starts what is missing, watches for ends, and keeps the state file true. */
export type Crew = Readonly<{
  uid: string;
  /** By id, leaving ones too, in the order of their start. */
  workers: ReadonlyMap<string, ProcessWorker>;
  wanted(): number;
  /** When {@link wanted} last changed, monotonic ms. */
  changedAt(): number;
  trouble(): TargetTrouble | undefined;
  /** Sets the size and starts what is missing; never stops anything. Resolves when all that may start now was started. */
  resize(wanted: number): Promise<void>;
  /** Tells these to stop. */
  stop(leaving: readonly ProcessWorker[]): void;
  killAll(): void;
  /** Ends the supervision; the workers that live go on. With `forget` the state file goes too. */
  close(forget: boolean): void;
}>;
