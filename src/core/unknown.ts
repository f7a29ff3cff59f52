import { saturate, wholeOf } from "./demand.ts";
import { type Facts, type Ruling, ruled, type TriggerFacts, unsure } from "./facts.ts";
import { list, plural } from "./words.ts";

/**
 * Rule 2: a trigger that is not known may raise and never lowers. The present size holds; above it counts what the
 * trigger wanted when it was last known, until that is stale, and the fallback once it has failed often enough.
 */
export function unknown(size: number, facts: Facts): Ruling | undefined {
  const blind = facts.triggers.filter((trigger) => trigger.blind !== undefined);
  const { current, formula } = facts;
  if (!unsure(facts)) return undefined;
  const reasons = blind.map((trigger) => `${trigger.rule.name}: ${trigger.blind}`);
  const why = list(formula?.blind === undefined ? reasons : [...reasons, formula.blind]);
  const fallback = fallbackOf(facts);
  const last = formula === undefined ? Math.max(0, ...blind.map(lastGood)) : saturate(wholeOf(formula.lastGood ?? 0));
  const held = Math.max(size, current);
  if (fallback !== undefined && fallback > Math.max(held, last)) {
    return ruled("unknown", size, fallback, "Fallback", `fallback to ${plural(fallback, "replica")} (${why})`);
  }
  if (last > held) {
    return ruled("unknown", size, last, "ReadingsUnknown", `the last good reading wanted ${last} (${why})`);
  }
  // What the others ask for is more than there is: there was nothing to hold.
  if (size > current) return undefined;
  return ruled("unknown", size, held, "ReadingsUnknown", `${current} kept, as not all is known (${why})`);
}

/** What a trigger that is not known wanted when it last was, while that is recent. */
function lastGood({ recent, active, demand }: TriggerFacts): number {
  return recent && active ? (demand?.wants ?? 0) : 0;
}

/** The fallback's size, while some trigger has failed often enough. */
export function fallbackOf({ situation, triggers }: Pick<Facts, "situation" | "triggers">): number | undefined {
  const { fallback } = situation.rules;
  if (fallback === undefined) return undefined;
  const failed = triggers.some(({ observation }) => (observation.failure?.count ?? 0) >= fallback.afterFailures);
  return failed ? fallback.replicas : undefined;
}
