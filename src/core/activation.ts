import { type Facts, type Ruling, ruled, unsure } from "./facts.ts";

/**
 * Rule 4: while anything is active, one replica at least, and the minimum; while nothing is, the idle size.
 * A trigger that is not known leaves the number as it is.
 */
export function activation(size: number, facts: Facts): Ruling | undefined {
  const { replicas } = facts.situation.rules;
  if (facts.active) {
    const least = Math.max(1, replicas.min);
    if (size >= least) return undefined;
    return replicas.min > 1
      ? ruled("activation", size, least, "AtMinimum", `${least} is the minimum while there is work`)
      : ruled("activation", size, 1, "WorkWaiting", "1 at least while there is work");
  }
  const told = facts.triggers.length > 0 && !unsure(facts);
  if (!told || size === replicas.idle) return undefined;
  const message = size > replicas.idle ? "no trigger is above its activation" : "nothing to do";
  // A pool that grows does not do so because there is nothing to do.
  const reason = replicas.idle > facts.current ? "AtMinimum" : "Empty";
  const least = replicas.idle === replicas.min ? `${replicas.idle} is the minimum` : `idle size ${replicas.idle}`;
  return ruled("activation", size, replicas.idle, reason, `${message}: ${least}`);
}
