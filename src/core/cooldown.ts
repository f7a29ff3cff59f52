import { type Facts, type Ruling, ruled } from "./facts.ts";
import { span } from "./words.ts";

/**
 * Rule 7: the last step down, to the idle size below what work would need, waits until nothing was active for the
 * cooldown. Until then the smallest working size stays.
 */
export function cooldown(size: number, facts: Facts): Ruling | undefined {
  const { rules, now } = facts.situation;
  const floor = Math.min(facts.current, Math.max(1, rules.replicas.min));
  const until = facts.lastActiveAt + rules.scaleDown.cooldownMs;
  // A maximum of 0 is an order, not a sign of quiet.
  if (size >= floor || until <= now || rules.replicas.max === 0) return undefined;
  const quiet = span(now - facts.lastActiveAt);
  const message = `quiet for ${quiet} of the ${span(rules.scaleDown.cooldownMs)} that it takes to go to ${size}`;
  return ruled("cooldown", size, floor, "CoolingDown", message, until);
}
