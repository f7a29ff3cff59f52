import type { Observation, Reading } from "./contract.ts";
import type { Situation } from "./decision.ts";
import type { Memory, TriggerMemory } from "./memory.ts";
import { observeRates, rebased } from "./rates.ts";
import { backlog, checkReading, inHand } from "./reading.ts";
import type { Goal, TriggerRule } from "./spec.ts";
import { followZero, newEpochHoldMs } from "./zero-proof.ts";

/**
 * What is remembered of this pool. Memory of another pool, or from a clock that has started anew, does not count: a fresh
 * start. When the rules changed, the same name may stand for another queue: a zero is proven anew, and no rate is measured
 * across the change.
 */
export function recall({ memory, pool, rules, now }: Situation): Memory {
  const foreign = memory.uid !== undefined && memory.uid !== pool.uid;
  if (foreign || (memory.at !== undefined && memory.at > now)) return {};
  if (memory.generation === rules.generation || memory.triggers === undefined) return memory;
  return { ...memory, triggers: memory.triggers.map(acrossRules) };
}

function acrossRules({ zero: _, passed: __, moved: ___, rates, ...kept }: TriggerMemory): TriggerMemory {
  const sums = rebased(rates);
  return sums === undefined ? kept : { ...kept, rates: sums };
}

/** Takes the newest observation of one trigger in. */
export function remember(
  rule: TriggerRule,
  past: TriggerMemory | undefined,
  observation: Observation,
  now: number,
): TriggerMemory {
  const { reading, failure } = observation;
  if (reading === undefined || failure !== undefined || checkReading(reading) !== undefined) {
    if (past?.zero === undefined && past?.moved === undefined) return past ?? { name: rule.name };
    const { zero: _, moved: __, ...rest } = past;
    return rest;
  }
  const jobs = backlog(reading) + inHand(reading);
  const { epoch } = reading;
  const changed = past?.jobs !== undefined && past.epoch !== epoch;
  const fell = changed && jobs < past.jobs / 2;
  const holdUntil = fell ? now + newEpochHoldMs : past?.holdUntil;
  const zero = followZero(past?.zero, observation, reading);
  const passed = passedOf(reading);
  const moved = passed !== undefined && past?.passed !== undefined && !changed && passed > past.passed;
  const hint = hintOf(rule.goal);
  const known = changed ? rebased(past.rates) : past?.rates;
  const rates = hint === undefined ? undefined : observeRates(known, reading, hint, rule.intervalMs);
  return {
    name: rule.name,
    jobs,
    ...(epoch === undefined ? undefined : { epoch }),
    ...(holdUntil === undefined || holdUntil <= now ? undefined : { holdUntil }),
    ...(zero === undefined ? undefined : { zero }),
    ...(passed === undefined ? undefined : { passed }),
    ...(moved ? { moved } : undefined),
    ...(rates === undefined ? undefined : { rates }),
  };
}

/** Where the broker counts, every job adds to this once or twice; a counter that went back starts anew with the next. */
function passedOf({ enqueued, finished }: Reading): number | undefined {
  return enqueued === undefined && finished === undefined ? undefined : (enqueued ?? 0) + (finished ?? 0);
}

function hintOf(goal: Goal) {
  return goal.kind === "startWithin" || goal.kind === "drainWithin" ? goal : undefined;
}
