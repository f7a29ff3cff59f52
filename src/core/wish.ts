import type { Reason } from "./decision.ts";
import { saturate, tolerated, wholeOf } from "./demand.ts";
import { type Facts, type FormulaFacts, goalOf, type Ruling, ruled, type TriggerFacts } from "./facts.ts";
import { readingText } from "./words.ts";

/** Rules 1 and 3: the largest demand of those triggers that are known, or what the formula says. Without one, the size stays. */
export function combination(size: number, facts: Facts): Ruling | undefined {
  const { triggers, current } = facts;
  if (facts.formula !== undefined) return byFormula(size, facts, facts.formula);
  const decides = deciding(triggers);
  if (decides?.demand === undefined) return undefined;
  const { demand } = decides;
  const others = triggers.length === 1 ? "" : `, the most of ${triggers.length} triggers`;
  return ruled(
    triggers.length === 1 ? "demand" : "combination",
    size,
    demand.wants,
    reasonOf(decides, current),
    saying(decides, demand.wants) + others,
  );
}

function byFormula(size: number, { situation, current, active }: Facts, { exact, said }: FormulaFacts): Ruling | undefined {
  if (exact === undefined) return undefined;
  const { scaleUp, scaleDown } = situation.rules.behavior;
  const within = tolerated(exact, current, { up: scaleUp.tolerance, down: scaleDown.tolerance });
  const whole = saturate(wholeOf(exact));
  if (within && whole !== current) {
    return ruled("combination", size, current, "WithinTolerance", `${said}: ${whole} is within tolerance of ${current}`);
  }
  return ruled("combination", size, whole, active || whole > current ? "WorkWaiting" : "Empty", said);
}

/** The known trigger that wants most; the first of equals. */
export function deciding(triggers: readonly TriggerFacts[]): TriggerFacts | undefined {
  let best: TriggerFacts | undefined;
  for (const trigger of triggers) {
    if (trigger.known && (best === undefined || wantsOf(trigger) > wantsOf(best))) best = trigger;
  }
  return best;
}

function wantsOf(trigger: TriggerFacts): number {
  return trigger.demand?.wants ?? 0;
}

/** "mails wants 9: 430 waiting", "working-hours asks for 3 until 18:00 Europe/Berlin, then none". */
function saying(trigger: TriggerFacts, wants: number): string {
  const { rule, reading } = trigger;
  return reading?.wants === undefined ? `${rule.name} wants ${wants}: ${basis(trigger)}` : `${rule.name} ${readingText(reading)}`;
}

/** "430 waiting (goal: 50 waiting per worker)"; of nothing, the goal explains nothing. */
function basis(trigger: TriggerFacts): string {
  const { demand, reading, rule, withLeaving } = trigger;
  if (reading === undefined || rule.goal.kind === "wants") return goalOf(trigger);
  const more: string[] = [];
  if (withLeaving !== undefined) more.push(`${withLeaving} of them with workers that leave`);
  if (demand !== undefined && demand.wants > 0) more.push(`goal: ${goalOf(trigger)}`);
  if (demand?.capped !== undefined && reading.ceiling !== 0) more.push(`no more: ${demand.capped}`);
  if (demand?.beyond !== undefined) more.push(`${demand.beyond} is within tolerance of it`);
  return more.length === 0 ? readingText(reading) : `${readingText(reading)} (${more.join("; ")})`;
}

function reasonOf({ demand, reading, active }: TriggerFacts, current: number): Reason {
  if (demand?.beyond !== undefined) return "WithinTolerance";
  if (reading?.until !== undefined) return "Schedule";
  return active || (demand?.wants ?? 0) > current ? "WorkWaiting" : "Empty";
}
