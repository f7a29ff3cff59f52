import type { Formula } from "./formula.ts";

/** What a trigger asks for. Exactly one. */
export type Goal =
  | Readonly<{ kind: "waitingPerReplica"; jobs: number }>
  | Readonly<{ kind: "jobsPerReplica"; jobs: number }>
  | Readonly<{ kind: "startWithin"; ms: number; serviceMs?: number; perSecond?: number }>
  | Readonly<{ kind: "drainWithin"; ms: number; serviceMs?: number; perSecond?: number }>
  | Readonly<{ kind: "wants" }>; // the reading itself says how many: schedules

/** One trigger as the rules see it: what it measures is the scaler's business. */
export type TriggerRule = Readonly<{
  name: string;
  goal: Goal;
  /** More jobs than this make it active. Default 0: any job. */
  activation: number;
  /** How often it is read, ms: how old a reading may be before it no longer lowers follows from it. */
  intervalMs: number;
  /** Another trigger that counts the same jobs too, by its name. */
  countedBy?: string;
}>;

/** One step limit of a direction: so many replicas, or so many percent, within the period. */
export type Policy = Readonly<{ type: "Pods" | "Percent"; value: number; periodSeconds: number }>;

/** The shape and meaning of the HPA v2 `behavior`, per direction. */
export type Direction = Readonly<{
  stabilizationWindowSeconds: number;
  selectPolicy: "Max" | "Min" | "Disabled";
  /** None: no step limit. */
  policies: readonly Policy[];
  /** Share of the present size that a proposal must differ by. */
  tolerance: number;
}>;

/** Everything that `decide` needs to know of a ScaledWorker. Defaults are applied. */
export type Rules = Readonly<{
  /** Grows with each change of the spec. */
  generation: number;
  replicas: Readonly<{
    min: number;
    max: number;
    idle: number;
    /** Those who are leaving count towards {@link max} too. */
    hardMax?: boolean;
    /** Why {@link max} is lower than declared. */
    because?: string;
  }>;
  triggers: readonly TriggerRule[];
  /** In place of the largest of what the triggers want. */
  formula?: Formula;
  /** Jobs that one replica works on at once. */
  concurrency: number;
  scaleDown: Readonly<{
    /** `busy`: only workers proven idle go. `grace`: any may go, the stop grace lets them finish. */
    protect: "busy" | "grace";
    /** How long nothing must have been active before the pool goes to its idle size, ms. */
    cooldownMs: number;
  }>;
  behavior: Readonly<{ scaleUp: Direction; scaleDown: Direction }>;
  /** Size while a trigger has failed so many times in a row; it raises and never lowers. */
  fallback?: Readonly<{ afterFailures: number; replicas: number }>;
  /** A last good reading older than this no longer raises, ms. */
  staleAfterMs: number;
  mode: "Scale" | "Observe";
  /** Which directions are held still, and by whom: `spec.pause`. */
  pause?: Readonly<{ directions: "Both" | "Up" | "Down"; reason: string }>;
}>;

/** One member of a pool that can be named. */
export type Member = Readonly<{
  /** As the framework knows it: {@link import("./contract.ts").Worker.id}. */
  id: string;
  /** Other names of it: frameworks may know it by one of these, or by the host that it runs on. */
  aliases?: readonly string[];
  /** Up: it may have jobs in hand. */
  ready: boolean;
  /** Told to stop and still there: it owns its jobs until it is gone. */
  leaving: boolean;
  /** When it began, monotonic ms. */
  startedAt: number;
}>;

/** Who can go when a pool shrinks. `because`: why only these, where that is not so for ever. */
export type Removal = Readonly<{
  /**
   * `named`: whoever is named. `first`: the first of {@link Pool.members}, in their order. `any`: nobody can say which, so
   * all must be idle. `none`: nobody; they end by themselves.
   */
  who: "named" | "first" | "any" | "none";
  because?: string;
}>;

/** The target as it is now. */
export type Pool = Readonly<{
  /** Identity of the target: memory of another one does not count. */
  uid: string;
  /** Replicas asked for. */
  wanted: number;
  /** There, and not leaving. */
  existing: number;
  ready: number;
  /** Told to stop, and not gone. */
  leaving: number;
  /** When {@link wanted} last changed, by anyone; monotonic ms. */
  changedAt: number;
  /** Every one of them, leaving ones too, where the target can name them. */
  members?: readonly Member[];
  /** Absent: whoever is named. */
  removal?: Removal;
  /** It must not grow beyond this just now, and why: one clause. */
  limit?: Readonly<{ most: number; reason: "Paused" | "WorkersFailing"; because: string }>;
  /** How long a member that is told to stop may take, ms: the shortest of theirs. */
  graceMs?: number;
  /** Those of {@link existing} that have taken their work, and take no more of what waits: Jobs. */
  begun?: number;
}>;
