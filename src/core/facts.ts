import type { Observation, Reading } from "./contract.ts";
import type { Reason, RuleName, Situation, Step } from "./decision.ts";
import { type Demand, demandOf, goalText } from "./demand.ts";
import type { TriggerMemory } from "./memory.ts";
import { checkReading, inHand, withoutLeaving, work } from "./reading.ts";
import type { TriggerRule } from "./spec.ts";
import { span } from "./words.ts";

/** One trigger, as the rules need it. */
export type TriggerFacts = Readonly<{
  rule: TriggerRule;
  observation: Observation;
  /** The last good reading that makes sense, however old. */
  reading?: Reading;
  ageMs?: number;
  /** Its newest attempt brought a good reading, and that is fresh: it may raise. */
  known: boolean;
  /** Young enough for its last good value to raise, though not known now. */
  recent: boolean;
  /** Why it may not lower, as a clause; undefined when it may. */
  blind?: string;
  active: boolean;
  demand?: Demand;
  /** Jobs in the hands of workers that leave: counted in the reading, and no demand. */
  withLeaving?: number;
  memory: TriggerMemory;
}>;

/** What a formula gives for the present readings. */
export type FormulaFacts = Readonly<{
  /** Replicas, not rounded up; absent when it is not known. */
  exact?: number;
  /** The same with what unknown triggers wanted when they were last known, while that is recent. */
  lastGood?: number;
  /** Why it is not known, as a clause. */
  blind?: string;
  /** "formula max(mails, reports / 2.0) = 6 (mails 6, reports 4)". */
  said: string;
}>;

/** Everything that the rules look at besides the number. */
export type Facts = Readonly<{
  situation: Situation;
  current: number;
  triggers: readonly TriggerFacts[];
  /** What the formula gives, where there is one. */
  formula?: FormulaFacts;
  /** Something is to be done, or asked for outright, as far as known. */
  active: boolean;
  /** Nothing was active since, monotonic ms. */
  lastActiveAt: number;
  /** Something is active still, or was when it was last known. */
  stays: boolean;
}>;

/** What a rule says: the number that goes on, why, and when its word could change of itself (monotonic ms). */
export type Ruling = Readonly<{ steps: readonly Step[]; nextAt?: number | undefined }>;

/** A rule passes the number on (undefined) or says what becomes of it. */
export type Rule = (size: number, facts: Facts) => Ruling | undefined;

/** A ruling of one step. */
export function ruled(rule: RuleName, from: number, to: number, reason: Reason, message: string, nextAt?: number): Ruling {
  return { steps: [{ rule, from, to, reason, message }], nextAt };
}

/**
 * How old a reading may be and still lower, from the time when its question was sent: two intervals and the deadline of
 * a reading.
 */
function freshMs(rule: TriggerRule): number {
  return 2 * rule.intervalMs + 2000;
}

/** Looks at one trigger. `memory` has taken this reading in already. */
export function factsOf(rule: TriggerRule, observation: Observation, memory: TriggerMemory, situation: Situation): TriggerFacts {
  const { rules, pool, now } = situation;
  const { reading, sentAt } = observation;
  const invalid = reading === undefined ? undefined : checkReading(reading);
  if (reading === undefined || sentAt === undefined || invalid !== undefined || !Number.isFinite(sentAt)) {
    const blind = invalid?.message ?? observation.failure?.problem.message ?? "not read yet";
    return { rule, observation, known: false, recent: false, blind, active: false, memory };
  }
  const ageMs = Math.max(0, now - sentAt);
  const measures = reading.wants !== undefined || (reading.waiting !== undefined && rule.goal.kind !== "wants");
  const known = observation.failure === undefined && measures && ageMs <= freshMs(rule);
  const blind = blindness(rule, observation, reading, ageMs, situation);
  const { scaleUp, scaleDown } = rules.behavior;
  const open = withoutLeaving(reading, pool);
  const withLeaving = inHand(reading) - inHand(open);
  return {
    rule,
    observation,
    reading,
    ageMs,
    known,
    recent: measures && ageMs <= rules.staleAfterMs,
    ...(blind === undefined ? undefined : { blind }),
    active: work(open) > rule.activation || (reading.wants ?? 0) > 0,
    ...(withLeaving > 0 && { withLeaving }),
    demand: demandOf({
      rule,
      reading: open,
      rates: memory.rates,
      current: pool.wanted,
      begun: pool.begun,
      concurrency: rules.concurrency,
      tolerance: { up: scaleUp.tolerance, down: scaleDown.tolerance },
    }),
    memory,
  };
}

function blindness(
  rule: TriggerRule,
  { failure }: Observation,
  reading: Reading,
  ageMs: number,
  { rules, now }: Situation,
): string | undefined {
  if (failure !== undefined) {
    const times = failure.count === 1 ? "" : `, ${failure.count} times in ${span(now - failure.since)}`;
    return `${failure.problem.message}${times}`;
  }
  if (ageMs > freshMs(rule)) return `last read ${span(ageMs)} ago`;
  if (reading.wants !== undefined) return undefined;
  if (rule.goal.kind === "wants") return "says nothing of how many it wants";
  if (reading.waiting === undefined) return "waiting jobs not known";
  if (reading.running !== undefined) return undefined;
  if (rules.scaleDown.protect !== "busy" && rule.goal.kind !== "jobsPerReplica") return undefined;
  return `running jobs not known${reading.runningUnknown === undefined ? "" : `: ${reading.runningUnknown}`}`;
}

/** Whether not all is known that the size depends on: then nothing may lower it. */
export function unsure({ triggers, formula }: Pick<Facts, "triggers" | "formula">): boolean {
  return formula?.blind !== undefined || triggers.some((trigger) => trigger.blind !== undefined);
}

export function goalOf(trigger: TriggerFacts): string {
  return goalText(trigger.rule.goal, trigger.demand?.rates);
}
