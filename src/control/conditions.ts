import type { ConditionReason, ConditionType } from "../api/conditions.ts";
import type { Observation, ProblemKind } from "../core/contract.ts";
import type { Decision, Reason } from "../core/decision.ts";
import type { Rules } from "../core/spec.ts";
import { isPassing, type TargetTrouble } from "../targets/target.ts";

/** One thing that is true of a ScaledWorker, not true, or not known yet. */
export type Condition = Readonly<{
  type: ConditionType;
  status: "True" | "False" | "Unknown";
  reason: ConditionReason;
  /** One sentence for people; may be empty. */
  message: string;
  /** Since when the status is what it is, ISO time: a new reason or message does not move it. */
  since: string;
}>;

/** All that the conditions follow from. `observations` stand in the order of `rules.triggers`; times are monotonic ms. */
export type ConditionInput = Readonly<{
  rules: Rules;
  observations: readonly Observation[];
  decision?: Decision | undefined;
  trouble?: TargetTrouble | undefined;
  now: number;
  /** The same moment by the wall clock, ISO. */
  at: string;
}>;

/** `from`: when it came to be so, monotonic ms, where that is known; else it is now. */
type Verdict = Omit<Condition, "type" | "since"> & Readonly<{ from?: number | undefined }>;

/** A reading is late after so many of its intervals. */
const lateIntervals = 3;
/** An outage shorter than this, ms, must not turn a deployment red: ReadingsFresh tells of it first. */
export const graceMs = 60_000;

/** All conditions, always in this order, each with the time of its last flip taken over from `previous`. */
export function deriveConditions(input: ConditionInput, previous: readonly Condition[] = []): readonly Condition[] {
  const verdicts: Readonly<Record<ConditionType, Verdict>> = {
    Ready: ready(input),
    Active: active(input),
    ReadingsFresh: fresh(input),
    ScalingLimited: limited(input),
    Paused: paused(input),
  };
  return (Object.keys(verdicts) as ConditionType[]).map((type) => {
    const { from, ...verdict } = verdicts[type];
    const before = previous.find((condition) => condition.type === type);
    return { type, ...verdict, since: before?.status === verdict.status ? before.since : wallOf(from ?? input.now, input) };
  });
}

function wallOf(when: number, { now, at }: ConditionInput): string {
  return when >= now ? at : new Date(Date.parse(at) - (now - when)).toISOString();
}

/**
 * Can read enough to decide, and can act. True at zero replicas too.
 *
 * | case                                                      | status  | reason                           |
 * |-----------------------------------------------------------|---------|----------------------------------|
 * | the target cannot be scaled, or its workers cannot start  | False   | by its trouble                   |
 * | a trigger fails for longer than 3 intervals and 60 s      | False   | by its problem: {@link failings} |
 * | its connection or the Secret of that is missing           | False   | the same, at once                |
 * | no decision yet, or a trigger that was never read         | Unknown | Starting                         |
 * | otherwise                                                 | True    | Working                          |
 */
function ready({ rules, observations, decision, trouble, now }: ConditionInput): Verdict {
  if (trouble !== undefined && !isPassing(trouble.reason)) {
    return { ...verdict("False", trouble.reason, trouble.message), from: trouble.since };
  }
  const graceOf = (index: number) =>
    isDeclared(observations[index]) ? 0 : Math.max(graceMs, lateIntervals * (rules.triggers[index]?.intervalMs ?? 0));
  const failing = observations.findIndex(({ failure }, index) => failure !== undefined && now - failure.since >= graceOf(index));
  const failure = observations[failing]?.failure;
  if (failure !== undefined) {
    const { kind, message } = failure.problem;
    const said = verdict("False", failings[kind], `trigger ${nameOf(rules, failing)}: ${message}`);
    return { ...said, from: failure.since + graceOf(failing) };
  }
  const unread = observations.findIndex(({ reading }) => reading === undefined);
  if (unread >= 0) return verdict("Unknown", "Starting", notYetRead(rules, unread, observations[unread]));
  if (decision === undefined) return verdict("Unknown", "Starting", "nothing is decided yet");
  return verdict("True", "Working", "");
}

/** It fails for what is declared (or is not): time does not mend that, and no grace is due. */
const isDeclared = (observation: Observation | undefined): boolean =>
  observation?.failure?.problem.kind === "connection" || observation?.failure?.problem.kind === "secret";

/** What a trigger that fails for long says of its queue. */
export const failings: Readonly<Record<ProblemKind, ConditionReason>> = {
  unreachable: "QueueUnreachable",
  timeout: "QueueUnreachable",
  tls: "QueueUnreachable",
  loading: "QueueUnreachable",
  limit: "QueueUnreachable",
  replica: "QueueUnreachable",
  auth: "Forbidden",
  connection: "ConnectionNotFound",
  secret: "SecretNotFound",
  missing: "QueueNotFound",
  invalid: "InvalidAnswer",
  internal: "InternalFault",
};

function notYetRead(rules: Rules, index: number, observation?: Observation): string {
  const problem = observation?.failure?.problem.message;
  return `trigger ${nameOf(rules, index)} has not been read yet${problem === undefined ? "" : `: ${problem}`}`;
}

/**
 * There is demand now.
 *
 * | case                                      | status  | reason                  |
 * |-------------------------------------------|---------|-------------------------|
 * | no decision, or nothing could be read yet | Unknown | Starting                |
 * | a trigger is active                       | True    | Schedule or WorkWaiting |
 * | workers have jobs in hand                 | True    | WorkersBusy             |
 * | none, and still larger than when idle     | False   | CoolingDown             |
 * | none                                      | False   | Empty                   |
 */
function active({ rules, decision }: ConditionInput): Verdict {
  if (decision === undefined) return verdict("Unknown", "Starting", "nothing is decided yet");
  const { triggers, busy = 0, to, reason, summary } = decision;
  if (triggers.some((trigger) => trigger.active)) {
    return verdict("True", reason === "Schedule" ? "Schedule" : "WorkWaiting", summary);
  }
  if (triggers.length > 0 && triggers.every(({ state }) => state === "unknown")) {
    return verdict("Unknown", "Starting", "no trigger is known");
  }
  if (busy > 0) return verdict("True", "WorkersBusy", `${busy} with a job in hand`);
  return to > rules.replicas.idle ? verdict("False", "CoolingDown", summary) : verdict("False", "Empty", "nothing to do");
}

/**
 * Every source answered in time.
 *
 * | case                                               | status  | reason              |
 * |----------------------------------------------------|---------|---------------------|
 * | a trigger is neither read nor failed yet           | Unknown | Starting            |
 * | none fails, none is older than 3 intervals and 2 s | True    | AllFresh            |
 * | one fails that never was read                      | False   | NeverRead           |
 * | some do, and one is older than staleAfter          | False   | Expired             |
 * | some do, or all                                    | False   | SomeStale, AllStale |
 */
function fresh({ rules, observations, now }: ConditionInput): Verdict {
  const young = observations.findIndex(({ reading, failure }) => reading === undefined && failure === undefined);
  if (young >= 0) return verdict("Unknown", "Starting", notYetRead(rules, young));
  const stale = observations.flatMap(({ sentAt, failure }, index) => {
    const lateMs = lateIntervals * (rules.triggers[index]?.intervalMs ?? 0) + 2_000;
    const lateAt = sentAt === undefined ? Number.POSITIVE_INFINITY : sentAt + lateMs;
    const from = Math.min(failure?.since ?? Number.POSITIVE_INFINITY, lateAt);
    return failure !== undefined || now > lateAt ? [{ index, ageMs: sentAt === undefined ? undefined : now - sentAt, from }] : [];
  });
  const never = stale.find(({ ageMs }) => ageMs === undefined);
  const first = never ?? stale[0];
  if (first === undefined) return verdict("True", "AllFresh", "");
  const problem = observations[first.index]?.failure?.problem.message ?? "no answer in time";
  const more = stale.length > 1 ? `, and ${stale.length - 1} more` : "";
  const message = `trigger ${nameOf(rules, first.index)}: ${problem}${more}`;
  const expired = stale.some(({ ageMs = 0 }) => ageMs > rules.staleAfterMs);
  const some = stale.length === observations.length ? "AllStale" : "SomeStale";
  const reason = never !== undefined ? "NeverRead" : expired ? "Expired" : some;
  return { ...verdict("False", reason, message), from: Math.min(...stale.map(({ from }) => from)) };
}

/** What else than demand set the number, by the reason of the rule that bound last. */
const limits: Readonly<Partial<Record<Reason, ConditionReason>>> = {
  AtMaximum: "AtMaximum",
  AtMinimum: "AtMinimum",
  StepLimit: "StepLimit",
  WorkersBusy: "WorkersBusy",
  Stabilising: "Stabilising",
  CoolingDown: "CoolingDown",
  WithinTolerance: "WithinTolerance",
  ReadingsUnknown: "ReadingsUnknown",
  Fallback: "ReadingsUnknown",
  ZeroUnproven: "ReadingsUnknown",
  NewEpoch: "ReadingsUnknown",
  Paused: "Held",
  WorkersFailing: "WorkersFailing",
};

function limited({ decision }: ConditionInput): Verdict {
  if (decision === undefined) return verdict("Unknown", "Starting", "nothing is decided yet");
  const reason = limits[decision.reason];
  return reason === undefined ? verdict("False", "DesiredWithinRange", "") : verdict("True", reason, decision.summary);
}

function paused({ rules: { pause, mode }, decision }: ConditionInput): Verdict {
  if (pause !== undefined) {
    const held = pause.directions === "Both" ? "held at its size" : `not scaled ${pause.directions.toLowerCase()}`;
    return verdict("True", "PausedBySpec", pause.reason === "" ? held : `${held}: ${pause.reason}`);
  }
  if (decision?.rule === "target" && decision.reason === "Paused") return verdict("True", "SetToZero", decision.summary);
  if (mode === "Observe") return verdict("True", "ObserveOnly", "decides and explains, and changes nothing");
  return verdict("False", "NotPaused", "");
}

function nameOf(rules: Rules, index: number): string {
  return rules.triggers[index]?.name ?? String(index);
}

function verdict(status: Verdict["status"], reason: ConditionReason, message: string): Verdict {
  return { status, reason, message };
}
