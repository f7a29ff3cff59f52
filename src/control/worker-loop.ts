import type { Observation } from "../core/contract.ts";
import type { Decision, Situation } from "../core/decision.ts";
import type { Rules } from "../core/spec.ts";
import type { Observed, Watch, Watching } from "../observe/observer.ts";
import type { Applied, Target } from "../targets/target.ts";
import type { HistoryInput } from "../telemetry/history.ts";

/** One trigger of a ScaledWorker, ready to be read. */
export type WatchedTrigger = Readonly<{ name: string; watch: Watch }>;

/** What all loops work with, and tell to by the key of their worker. `now` is monotonic, ms. */
export type LoopHouse = Readonly<{
  now: () => number;
  watch: (watch: Watch, listener: (observed: Observed) => void) => Watching;
  history: (line: HistoryInput) => void;
  /** Whether somebody wants history in full: reads that changed nothing, and all that a decision was made from. */
  inFull: boolean;
  /** Numbers decisions. Not anew for a ScaledWorker that is made again: an id is never that of another decision. */
  nextDecision: () => number;
  /** Whether this process may change anything, asked before each change. One that stands by decides too: so it is warm. */
  mayAct: () => boolean;
  /** After each read of a trigger. */
  observed: (worker: string, trigger: WatchedTrigger, observed: Observed) => void;
  /** A size was applied: for logs and metrics. `wokenAt` when a wake-up led to it. */
  scaled: (
    worker: string,
    change: Readonly<{ decision: Decision; applied: Applied; wokenAt: number | undefined; at: number }>,
  ) => void;
  /** A decision that differs from the one before. */
  decided: (worker: string, decision: Decision) => void;
  failed: (doing: string, cause: unknown) => void;
}>;

/** One ScaledWorker under control. */
export interface WorkerLoop {
  readonly target: Target;
  /** Those in force. */
  rules(): Rules;
  /** What `decide` would see now: explain and dry run use the same. Undefined: the pool is not known yet. */
  situation(): Situation | undefined;
  decision(): Decision | undefined;
  observations(): readonly Observation[];
  /** New rules or triggers; memory is kept. */
  update(rules: Rules, triggers: readonly WatchedTrigger[]): void;
  /** Decides anew, though nothing changed: this process may act now. */
  ask(): void;
  /** Stops deciding. Whatever is under way is awaited; the target is left as it is, and its triggers are read on. */
  stop(): Promise<void>;
  /** Stops reading too: nobody asks any more who has a job in hand. */
  release(): void;
}
