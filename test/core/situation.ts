import type { Observation, Reading } from "../../src/core/contract.ts";
import type { Situation } from "../../src/core/decision.ts";
import { emptyMemory } from "../../src/core/memory.ts";
import type { Direction, Pool, Rules, TriggerRule } from "../../src/core/spec.ts";

/** A situation of one trigger that all is well with; each test overrides what it is about. */
export const noon = 1_000_000;

export const free: Direction = { stabilizationWindowSeconds: 0, selectPolicy: "Max", policies: [], tolerance: 0 };

export function trigger(changes: Partial<TriggerRule> = {}): TriggerRule {
  return { name: "mails", goal: { kind: "waitingPerReplica", jobs: 50 }, activation: 0, intervalMs: 1000, ...changes };
}

/** Down at once too, and no cooldown: rules are tested one by one. */
export function rules(changes: Partial<Rules> = {}): Rules {
  return {
    generation: 1,
    replicas: { min: 0, max: 100, idle: 0 },
    triggers: [trigger()],
    concurrency: 1,
    scaleDown: { protect: "busy", cooldownMs: 0 },
    behavior: { scaleUp: free, scaleDown: free },
    staleAfterMs: 60_000,
    mode: "Scale",
    ...changes,
  };
}

export function pool(wanted: number, changes: Partial<Pool> = {}): Pool {
  return { uid: "p1", wanted, existing: wanted, ready: wanted, leaving: 0, changedAt: noon - 600_000, ...changes };
}

export function reading(changes: Partial<Reading> = {}): Reading {
  return { waiting: 0, running: 0, epoch: "e1", sampledAt: noon, ...changes };
}

/** A reading asked for at `at`. */
export function seen(changes: Partial<Reading> = {}, at: number = noon): Observation {
  return { reading: reading({ sampledAt: at, ...changes }), sentAt: at };
}

export function failed(observation: Observation = {}, count = 1, since: number = noon): Observation {
  return { ...observation, failure: { problem: { kind: "timeout", message: "timed out" }, since, count } };
}

export function situation(changes: Partial<Situation> = {}): Situation {
  return { rules: rules(), pool: pool(0), observations: [seen()], memory: emptyMemory, now: noon, ...changes };
}
