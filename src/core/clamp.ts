import { type Facts, type Ruling, ruled, unsure } from "./facts.ts";

/**
 * Above the maximum (it was lowered, or someone raised the size) the pool goes to the maximum at once: without
 * stabilisation and step limits, as HPA does. Only jobs in hand and triggers that are not known keep it.
 */
export function aboveMaximum(size: number, facts: Facts): Ruling | undefined {
  const { max, because } = facts.situation.rules.replicas;
  if (facts.current <= max || unsure(facts)) return undefined;
  return ruled("clamp", size, max, "AtMaximum", `${facts.current} are above the maximum of ${max}${why(because)}`);
}

/** Last: within minimum and maximum. A size above the maximum that a rule has kept is kept, and never grows. */
export function clamp(size: number, facts: Facts): Ruling | undefined {
  const { min, max, idle, because } = facts.situation.rules.replicas;
  const most = Math.max(max, Math.min(size, facts.current));
  if (size > most) return ruled("clamp", size, most, "AtMaximum", `${size} are asked for, ${max} is the maximum${why(because)}`);
  const least = Math.min(facts.active ? min : idle, max);
  if (size < least)
    return ruled("clamp", size, least, "AtMinimum", `${size} ${size === 1 ? "is" : "are"} asked for, ${least} is the minimum`);
  return undefined;
}

/**
 * Where the maximum is hard (a database, a licence), whoever is leaving counts too, so a pool grows only as far as they
 * leave room; it never shrinks for that. Between our write and its first sight those to go are still among the existing.
 */
export function hardMaximum(size: number, { situation: { rules, pool }, current }: Facts): Ruling | undefined {
  const { max, hardMax } = rules.replicas;
  const leaving = Math.max(pool.leaving, pool.existing + pool.leaving - current);
  const most = Math.max(current, max - leaving);
  if (!hardMax || size <= most) return undefined;
  return ruled("clamp", size, most, "AtMaximum", `${leaving} still leaving count towards the maximum of ${max}`);
}

/** A direction that is paused holds still, whatever the other rules say. */
export function pause(size: number, facts: Facts): Ruling | undefined {
  const held = facts.situation.rules.pause;
  if (held === undefined || size === facts.current) return undefined;
  const way = size > facts.current ? "Up" : "Down";
  if (held.directions !== "Both" && held.directions !== way) return undefined;
  const which = held.directions === "Both" ? "scaling is paused" : `scaling ${way.toLowerCase()} is paused`;
  return ruled("pause", size, facts.current, "Paused", `${which}: ${held.reason}`);
}

/** The target itself must not grow: someone set it to zero, or its workers cannot start. It never shrinks for that. */
export function targetLimit(size: number, facts: Facts): Ruling | undefined {
  const { limit } = facts.situation.pool;
  if (limit === undefined) return undefined;
  const most = Math.max(limit.most, facts.current);
  return size > most ? ruled("target", size, most, limit.reason, limit.because) : undefined;
}

const why = (because: string | undefined): string => (because === undefined ? "" : ` (${because})`);
