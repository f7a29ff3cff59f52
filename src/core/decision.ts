import type { Observation } from "./contract.ts";
import type { Memory } from "./memory.ts";
import type { Pool, Rules } from "./spec.ts";

/** The rules in their order. Closed: a metric label. */
export type RuleName =
  | "demand"
  | "unknown"
  | "combination"
  | "activation"
  | "busy"
  | "behavior"
  | "cooldown"
  | "zero-proof"
  | "clamp"
  | "pause"
  | "target";

/** Why the size is what it is, in one word. Closed: a metric label, an event reason, a condition reason. */
export type Reason =
  | "WorkWaiting" // the demand of the triggers
  | "Schedule" // a schedule asks for it
  | "Empty" // nothing to do
  | "ReadingsUnknown" // a trigger is not known: held
  | "Fallback" // a trigger is not known for long: the fallback's size
  | "WorkersBusy" // kept because they have jobs in hand, or are not proven idle
  | "Stabilising" // an earlier, larger (or smaller) wish still counts
  | "StepLimit" // a policy of behavior
  | "WithinTolerance"
  | "CoolingDown" // not yet quiet for long enough to go to zero
  | "ZeroUnproven" // a zero that no second reading has confirmed
  | "NewEpoch" // the data changed its identity and fell: held for a minute
  | "AtMaximum"
  | "AtMinimum"
  | "Paused" // by its spec, or because someone set the target to zero
  | "WorkersFailing"; // more workers would fail as those do that are there

/** What one rule did to the number. */
export type Step = Readonly<{
  rule: RuleName;
  /** The number that came in, and the one that went on. Equal when the rule only had something to say. */
  from: number;
  to: number;
  reason: Reason;
  /** One sentence with the numbers in it. */
  message: string;
}>;

/** What one trigger wants, and what it was taken from. */
export type TriggerView = Readonly<{
  name: string;
  state: "known" | "stale" | "unknown";
  /** Replicas; absent when nothing can be said. */
  wants?: number;
  active: boolean;
  /** "430 waiting", "oldest 41 s", "timed out". */
  reading: string;
  /** "50 waiting per worker", "start within 30 s, service time 2.1 s (measured)". */
  goal: string;
  ageMs?: number;
}>;

/** Replicas, and the chain of reasons that led there. */
export type Decision = Readonly<{
  from: number;
  to: number;
  /** The rule that bound last, and why. */
  rule: RuleName;
  reason: Reason;
  /** One sentence. */
  summary: string;
  triggers: readonly TriggerView[];
  /** The trigger that decided, where one did. */
  decides?: string;
  steps: readonly Step[];
  /** Members that are proven idle, in the order in which they should go; absent where members cannot be named. */
  removable?: readonly string[];
  /** Workers with a job in hand, as far as known. */
  busy?: number;
  /** Workers beside those that nothing proves idle: scale-down spares them too. Absent when there are none. */
  unproven?: number;
  /** Decide again at this time, even if nothing changes until then; monotonic ms. */
  nextAt?: number;
}>;

/** All that a decision depends on. `observations` stand in the order of `rules.triggers`. */
export type Situation = Readonly<{
  rules: Rules;
  pool: Pool;
  observations: readonly Observation[];
  memory: Memory;
  /** Monotonic ms. */
  now: number;
}>;
