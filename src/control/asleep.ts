import type { Decision, Situation } from "../core/decision.ts";

/**
 * Whether a pool is at zero, and the next job would end that: only then is it worth anything to hear of one. Not while
 * somebody keeps it at zero, by the spec or by the target.
 */
export function isAsleep({ rules, pool }: Situation, { to }: Pick<Decision, "to">): boolean {
  if (pool.wanted > 0 || to > 0 || rules.mode !== "Scale") return false;
  const held = rules.pause !== undefined && rules.pause.directions !== "Down";
  return !held && rules.replicas.max > 0 && pool.limit?.most !== 0;
}
