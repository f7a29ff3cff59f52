import type { Observation, Reading } from "./contract.ts";
import { type Facts, type Ruling, ruled, type TriggerFacts } from "./facts.ts";
import type { Zero } from "./memory.ts";
import { work } from "./reading.ts";
import type { TriggerRule } from "./spec.ts";
import { list, span } from "./words.ts";

/** A failover, a restart without data or a flush shows itself within this time, ms. */
const leastGapMs = 5000;
/** How long a fall that came with a new identity of the data lowers nothing, ms. */
export const newEpochHoldMs = 60_000;

/**
 * Zero needs proof: a true answer can be a false zero (an empty replica promoted, a flush, a restart without data). Two
 * readings of nothing to do, apart by an interval and 5 s at least, of the same data, and no failure in between, of
 * every trigger. A schedule that asks for nothing is proof enough.
 */
export function zeroProof(size: number, facts: Facts): Ruling | undefined {
  // A maximum of 0 is an order: nothing needs proof.
  if (size > 0 || facts.current === 0 || facts.situation.rules.replicas.max === 0) return undefined;
  const open = facts.triggers.filter((trigger) => !isProven(trigger));
  if (open.length === 0) return undefined;
  const { now } = facts.situation;
  const floor = Math.min(facts.current, 1);
  const names = list(open.map((trigger) => trigger.rule.name));
  const gap = span(Math.max(...open.map((trigger) => gapMs(trigger.rule))));
  const message = `one empty reading of ${names} is no proof: another one ${gap} later, of the same data, is`;
  return ruled("zero-proof", size, floor, "ZeroUnproven", message, Math.max(...open.map((one) => proofAt(one, now))));
}

/** A fall by more than half together with a new identity of the data: nothing is lowered for a minute. */
export function newEpoch(size: number, facts: Facts): Ruling | undefined {
  if (size >= facts.current) return undefined;
  const { now } = facts.situation;
  const until = Math.max(0, ...facts.triggers.map((trigger) => trigger.memory.holdUntil ?? 0));
  if (until <= now) return undefined;
  const names = list(facts.triggers.filter((one) => (one.memory.holdUntil ?? 0) > now).map((one) => one.rule.name));
  const message = `${names} fell by more than half as its data changed identity: nothing lowered for ${span(until - now)} more`;
  return ruled("zero-proof", size, facts.current, "NewEpoch", message, until);
}

/** Follows the run of empty readings of one trigger. */
export function followZero(past: Zero | undefined, observation: Observation, reading: Reading | undefined): Zero | undefined {
  const { failure, sentAt } = observation;
  if (failure !== undefined || sentAt === undefined || reading === undefined) return undefined;
  if (reading.waiting === undefined || work(reading) > 0) return undefined;
  if (past !== undefined && past.epoch === reading.epoch && past.sentAt <= sentAt) return past;
  return reading.epoch === undefined ? { sentAt } : { sentAt, epoch: reading.epoch };
}

function isProven({ rule, reading, known, observation, memory }: TriggerFacts): boolean {
  if (!known || reading === undefined || observation.sentAt === undefined) return false;
  if (reading.wants !== undefined) return reading.wants === 0;
  return memory.zero !== undefined && observation.sentAt - memory.zero.sentAt >= gapMs(rule);
}

function gapMs(rule: TriggerRule): number {
  return Math.max(rule.intervalMs, leastGapMs);
}

/** When the next reading can be the proof. */
function proofAt({ rule, memory }: TriggerFacts, now: number): number {
  const due = memory.zero === undefined ? now + rule.intervalMs : memory.zero.sentAt + gapMs(rule);
  return due > now ? due : now + rule.intervalMs;
}
