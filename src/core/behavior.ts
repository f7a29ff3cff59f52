import type { Step } from "./decision.ts";
import { int32Max } from "./demand.ts";
import type { Facts, Ruling } from "./facts.ts";
import type { Memory, Recommendations, ScaleEvent } from "./memory.ts";
import { largest, smallest } from "./recommendations.ts";
import type { Direction, Policy } from "./spec.ts";
import { span } from "./words.ts";

/**
 * Rule 6: HPA v2's `behavior`, to the letter: stabilise, then limit the step. The bounds come after (clamp).
 *
 * Stabilise: the present size is moved into [smallest recommendation of the up window, largest of the down window], so a
 * wish to shrink never grows the pool and the other way round. Recommendations count as they were before any limit.
 */
export function behavior(size: number, facts: Facts & { log: Recommendations }): Ruling | undefined {
  const { situation, current } = facts;
  if (current > situation.rules.replicas.max) return undefined;
  const steady = stabilised(size, facts);
  const limited = stepLimited(steady.size, facts);
  const steps = [steady.step, limited.step].filter((step) => step !== undefined);
  if (steps.length === 0) return undefined;
  return { steps, nextAt: earliest(steady.nextAt, limited.nextAt) };
}

type Stage = Readonly<{ size: number; step?: Step; nextAt?: number | undefined }>;

function stabilised(size: number, { situation, current, log }: Facts & { log: Recommendations }): Stage {
  const { now, rules } = situation;
  if (size > current) {
    const windowMs = rules.behavior.scaleUp.stabilizationWindowSeconds * 1000;
    const entry = smallest(log, now, windowMs);
    const to = Math.max(current, Math.min(size, entry?.n ?? size));
    return entry === undefined || to === size ? { size } : stayed(size, to, entry, now, windowMs);
  }
  if (size < current) {
    const windowMs = rules.behavior.scaleDown.stabilizationWindowSeconds * 1000;
    const entry = largest(log, now, windowMs);
    const to = Math.min(current, Math.max(size, entry?.n ?? size));
    return entry === undefined || to === size ? { size } : stayed(size, to, entry, now, windowMs);
  }
  return { size };
}

function stayed(from: number, to: number, entry: { n: number; until: number }, now: number, windowMs: number): Stage {
  const when = now - entry.until < 1 ? "until just now" : `until ${span(now - entry.until)} ago`;
  const message = `${entry.n} was wanted ${when}, and that counts for ${span(windowMs)}`;
  const step: Step = { rule: "behavior", from, to, reason: "Stabilising", message };
  return { size: to, step, nextAt: entry.until + windowMs };
}

function stepLimited(size: number, { situation, current }: Facts): Stage {
  if (size === current) return { size };
  const up = size > current;
  const direction = up ? situation.rules.behavior.scaleUp : situation.rules.behavior.scaleDown;
  if (direction.selectPolicy !== "Disabled" && direction.policies.length === 0) return { size };
  const { memory, now } = situation;
  // A limit never pulls the other way, however far the pool has moved within the period.
  const limit = up
    ? Math.max(current, upLimit(direction, current, memory, now))
    : Math.min(current, downLimit(direction, current, memory, now));
  const to = up ? Math.min(size, limit) : Math.max(size, limit);
  if (to === size) return { size };
  const which = up ? "scaleUp" : "scaleDown";
  const message = direction.selectPolicy === "Disabled" ? `${which} is disabled` : `${which} policies allow ${to} for now`;
  const step: Step = { rule: "behavior", from: size, to, reason: "StepLimit", message };
  return { size: to, step, nextAt: nextRelief(direction, memory, now) };
}

/** The most that the policies of scaleUp allow. From 0 that is 1 at least: percents of nothing would never wake a pool. */
export function upLimit(direction: Direction, current: number, memory: Memory, now: number): number {
  const { selectPolicy, policies } = direction;
  if (selectPolicy === "Disabled") return current;
  if (policies.length === 0) return int32Max;
  const limits = policies.map((policy) => {
    const start = startOf(policy, current, memory, now);
    return int32(policy.type === "Pods" ? start + policy.value : Math.ceil(start * (1 + policy.value / 100)));
  });
  const limit = selectPolicy === "Min" ? Math.min(...limits) : Math.max(...limits);
  return current === 0 ? Math.max(1, limit) : limit;
}

/** The least that the policies of scaleDown allow; `Min` picks the least change, which is the highest limit. */
export function downLimit(direction: Direction, current: number, memory: Memory, now: number): number {
  const { selectPolicy, policies } = direction;
  if (selectPolicy === "Disabled") return current;
  if (policies.length === 0) return 0;
  const limits = policies.map((policy) => {
    const start = startOf(policy, current, memory, now);
    return int32(policy.type === "Pods" ? start - policy.value : Math.trunc(start * (1 - policy.value / 100)));
  });
  return selectPolicy === "Min" ? Math.max(...limits) : Math.min(...limits);
}

/** The size at the start of the policy's period: what was added since is taken off, what was removed is put back. */
function startOf(policy: Policy, current: number, memory: Memory, now: number): number {
  const periodMs = policy.periodSeconds * 1000;
  return current - changed(memory.ups, periodMs, now) + changed(memory.downs, periodMs, now);
}

function changed(events: readonly ScaleEvent[] | undefined, periodMs: number, now: number): number {
  let sum = 0;
  for (const event of events ?? []) if (event.at + periodMs > now) sum += event.n;
  return sum;
}

/** When the next event leaves the period of a policy. */
function nextRelief({ selectPolicy, policies }: Direction, memory: Memory, now: number): number | undefined {
  if (selectPolicy === "Disabled") return undefined;
  let next: number | undefined;
  for (const { periodSeconds } of policies) {
    for (const { at } of [...(memory.ups ?? []), ...(memory.downs ?? [])]) {
      const relief = at + periodSeconds * 1000;
      if (relief > now) next = earliest(next, relief);
    }
  }
  return next;
}

export function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

/** Go leaves the conversion of a float beyond int32 open; here it saturates. */
function int32(value: number): number {
  return Math.max(-int32Max - 1, Math.min(int32Max, value));
}
