import { activation } from "./activation.ts";
import { behavior, earliest } from "./behavior.ts";
import { busyFloor, type Hands, handsOf, namesMember } from "./busy.ts";
import { aboveMaximum, clamp, hardMaximum, pause, targetLimit } from "./clamp.ts";
import { cooldown } from "./cooldown.ts";
import type { Decision, Situation, Step } from "./decision.ts";
import { type Facts, factsOf, type Rule } from "./facts.ts";
import { formulaFacts } from "./formula-facts.ts";
import { withinLimits } from "./limits.ts";
import type { Memory, Recommendations } from "./memory.ts";
import { record, seed } from "./recommendations.ts";
import { recall, remember } from "./remember.ts";
import { fallbackOf, unknown } from "./unknown.ts";
import { viewOf } from "./view.ts";
import { combination, deciding } from "./wish.ts";
import { newEpoch, zeroProof } from "./zero-proof.ts";

/**
 * Finds the size of a pool, and says why. Pure: the same situation brings the same decision.
 *
 * The rules run in their order; each passes the number on or changes it and says why. Those of the first list say what
 * the triggers wish for, which is what stabilisation remembers; those of the second hold the wish within its limits.
 */
export function decide(given: Situation): { decision: Decision; memory: Memory } {
  const situation = withinLimits(given);
  const past = recall(situation);
  const facts = look(situation, past);
  const wish = run([combination, unknown, activation, aboveMaximum], facts.current, facts);
  const log = recordWish(past, wish, facts);
  const named = past.named === true || namesMember(situation);
  const hands = handsOf(situation, facts.triggers, named);
  const all = { ...facts, log, hands, situation: { ...situation, memory: past } };
  const held = run([busyFloor, behavior, cooldown, zeroProof, newEpoch, clamp, hardMaximum, pause, targetLimit], wish.size, all);
  const { active: _, ...kept } = past;
  const memory: Memory = {
    ...kept,
    uid: situation.pool.uid,
    generation: situation.rules.generation,
    at: situation.now,
    recommendations: log,
    lastActiveAt: facts.lastActiveAt,
    triggers: facts.triggers.map((trigger) => trigger.memory),
    ...(facts.stays ? { active: true } : undefined),
    ...(named ? { named } : undefined),
  };
  return { decision: concluded(all, wish.steps.concat(held.steps), held.size, held.nextAt), memory };
}

/** Looks at every trigger, and takes the newest readings into memory. */
function look(situation: Situation, past: Memory): Facts {
  const { rules, pool, observations, now } = situation;
  const triggers = rules.triggers.map((rule, index) => {
    const observation = observations[index] ?? {};
    const same = past.triggers?.[index];
    // Rules that changed may have moved it.
    const before = same?.name === rule.name ? same : past.triggers?.find(({ name }) => name === rule.name);
    const memory = remember(rule, before, observation, now);
    return factsOf(rule, observation, memory, situation);
  });
  const busyNow = triggers.some((trigger) => trigger.known && trigger.active);
  const active =
    busyNow || triggers.some((trigger) => trigger.recent && trigger.active) || (fallbackOf({ situation, triggers }) ?? 0) > 0;
  // What was active at the last decision was so until now: nobody decides while nothing changes. What is not known may be.
  // And jobs that came and went between two readings are seen by the counters alone.
  const moved = triggers.some((trigger) => trigger.memory.moved === true);
  const lastActiveAt = busyNow || moved || past.active === true ? now : (past.lastActiveAt ?? now);
  const stays = busyNow || (past.active === true && triggers.some((trigger) => !trigger.known));
  const formula = rules.formula && formulaFacts(rules.formula, triggers);
  return { situation, current: pool.wanted, triggers, ...(formula && { formula }), active, lastActiveAt, stays };
}

type Run = Readonly<{ size: number; steps: readonly Step[]; nextAt?: number | undefined }>;

function run<F extends Facts>(rules: readonly ((size: number, facts: F) => ReturnType<Rule>)[], size: number, facts: F): Run {
  const steps: Step[] = [];
  let to = size;
  let nextAt: number | undefined;
  for (const rule of rules) {
    const ruling = rule(to, facts);
    if (ruling === undefined) continue;
    steps.push(...ruling.steps);
    to = steps.at(-1)?.to ?? to;
    nextAt = earliest(nextAt, ruling.nextAt);
  }
  return { size: to, steps, nextAt };
}

/**
 * Notes the wish for stabilisation, as it was before any limit. Not while the size is merely held because a trigger is not
 * known, nor while it is above the maximum: there the wish before stays in force (HPA notes nothing there either).
 */
function recordWish(past: Memory, wish: Run, { situation, current }: Facts): Recommendations {
  const { rules, now } = situation;
  const log = past.recommendations ?? seed(current);
  const held = wish.steps.some(({ rule, from, to }) => rule === "unknown" && to === current && from <= current);
  if (held || current > rules.replicas.max) return log;
  const { scaleUp, scaleDown } = rules.behavior;
  return record(log, wish.size, now, {
    upMs: scaleUp.stabilizationWindowSeconds * 1000,
    downMs: scaleDown.stabilizationWindowSeconds * 1000,
  });
}

function concluded(facts: Facts & { hands: Hands }, steps: readonly Step[], to: number, nextAt: number | undefined): Decision {
  const { current, triggers, hands } = facts;
  const unproven = hands.spared - hands.busy;
  const bound = steps.findLast((step) => step.from !== step.to) ?? steps[0];
  const decides = facts.formula === undefined ? deciding(triggers) : undefined;
  const why = bound?.message ?? `nothing to do: idle size ${to}`;
  return {
    from: current,
    to,
    rule: bound?.rule ?? "demand",
    reason: bound?.reason ?? "Empty",
    summary: to === current ? `stays ${to}: ${why}` : `${current} -> ${to}: ${why}`,
    triggers: triggers.map(viewOf),
    ...(decides === undefined ? undefined : { decides: decides.rule.name }),
    steps,
    ...(hands.removable === undefined ? undefined : { removable: hands.removable }),
    busy: hands.busy,
    ...(unproven > 0 && { unproven }),
    ...(nextAt === undefined || nextAt <= facts.situation.now ? undefined : { nextAt }),
  };
}
