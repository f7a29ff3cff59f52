import type { Reading } from "./contract.ts";
import type { RateMemory } from "./memory.ts";
import { estimateRates, type Rates, type Source } from "./rates.ts";
import { backlog } from "./reading.ts";
import type { Goal, TriggerRule } from "./spec.ts";
import { span } from "./words.ts";

/** What one trigger asks for at one reading. */
export type Demand = Readonly<{
  /** Replicas. */
  wants: number;
  /** What it would be without tolerance, where that differs. */
  beyond?: number;
  /** Why it is not more: the ceiling of the queue. */
  capped?: string;
  /** The rates that went into it: startWithin and drainWithin. */
  rates?: Rates;
}>;

export type Tolerance = Readonly<{ up: number; down: number }>;

export const int32Max = 2_147_483_647;

/** A whole number of replicas that Kubernetes can hold. What is not a number asks for nothing. */
export function saturate(replicas: number): number {
  if (!(replicas > 0)) return 0;
  return replicas >= int32Max ? int32Max : replicas;
}

/** Whether such a demand is taken for the present size: HPA's tolerance, inclusive on both sides. */
export function tolerated(exact: number, current: number, { up, down }: Tolerance): boolean {
  const ratio = exact / current;
  return current > 0 && 1 - down <= ratio && ratio <= 1 + up;
}

/** Rounded up. Products of doubles carry dust: 3.0000000000000004 are 3. */
export const wholeOf = (exact: number): number => Math.ceil(exact - 1e-9);

type Input = Readonly<{
  rule: TriggerRule;
  reading: Reading;
  rates: RateMemory | undefined;
  current: number;
  /** Members that take no more of what waits. */
  begun?: number | undefined;
  concurrency: number;
  tolerance: Tolerance;
}>;

/**
 * Replicas that one trigger asks for.
 *
 * | goal              | replicas                                              |
 * |-------------------|-------------------------------------------------------|
 * | waitingPerReplica | ⌈L / n⌉, and those that take no more (Jobs)           |
 * | jobsPerReplica    | ⌈(L + running + reserved) / n⌉                        |
 * | startWithin T     | ⌈(a + L·S/(S+T)) / concurrency⌉, a = λ·S              |
 * | drainWithin T     | ⌈(a + L·min(1, S/T)) / concurrency⌉                   |
 * | wants             | the reading's own                                     |
 *
 * Where running is not known, those that take no more stand in for it. L is what waits and what is due soon. The sizes in slots are expectations for memoryless service; the drain formula is
 * a fluid one, capped where a single job lasts longer than T. Neither asks for more slots than there are jobs.
 * Tolerance is HPA's: inclusive on both sides, in doubles, and it does not hold at size 0.
 */
export function demandOf(input: Input): Demand {
  const { rule, reading, current, concurrency, tolerance } = input;
  if (reading.wants !== undefined) return { wants: saturate(reading.wants) };
  const { exact, whole, rates } = sized(rule.goal, input);
  let wants = saturate(whole);
  let beyond: number | undefined;
  if (wants !== current && tolerated(exact, current, tolerance)) {
    beyond = wants;
    wants = current;
  }
  const most = reading.ceiling === undefined ? int32Max : Math.ceil(reading.ceiling / concurrency);
  const capped = wants > most ? (reading.ceilingReason ?? `${reading.ceiling} may run at once`) : undefined;
  if (capped === undefined && beyond === undefined && rates === undefined) return { wants };
  return {
    wants: Math.min(wants, most),
    ...(beyond === undefined || capped !== undefined ? undefined : { beyond }),
    ...(capped === undefined ? undefined : { capped }),
    ...(rates === undefined ? undefined : { rates }),
  };
}

type Sized = Readonly<{ exact: number; whole: number; rates?: Rates }>;

function sized(goal: Goal, { reading, rates, current, concurrency, begun = 0 }: Input): Sized {
  const waiting = backlog(reading);
  switch (goal.kind) {
    case "wants":
      return { exact: 0, whole: 0 };
    case "waitingPerReplica":
      return ceiled(begun + waiting / goal.jobs);
    case "jobsPerReplica":
      return reading.running === undefined
        ? ceiled(begun + (waiting + (reading.reserved ?? 0)) / goal.jobs)
        : ceiled((waiting + reading.running + (reading.reserved ?? 0)) / goal.jobs);
    case "startWithin":
    case "drainWithin": {
      const found = estimateRates(rates, goal, goal.ms);
      const S = found.serviceMs;
      const share = goal.kind === "startWithin" ? S / (S + goal.ms) : Math.min(1, S / goal.ms);
      const slots = found.perMs * S + waiting * share;
      // No more than the workers that are there can have in hand: jobs that arrive now and then alone start none.
      const jobs = waiting + (reading.running ?? current * concurrency);
      const exact = Math.min(slots, jobs) / concurrency;
      return { exact, whole: wholeOf(exact), rates: found };
    }
    default:
      return goal satisfies never;
  }
}

function ceiled(exact: number): Sized {
  return { exact, whole: Math.ceil(exact) };
}

/** The goal in words: "50 waiting per worker", "4 jobs per worker", "start within 30 s, service time 2.1 s (measured from counters)". */
export function goalText(goal: Goal, rates: Rates | undefined): string {
  switch (goal.kind) {
    case "wants":
      return "what it asks for";
    case "waitingPerReplica":
      return `${goal.jobs} waiting per worker`;
    case "jobsPerReplica":
      return `${goal.jobs} ${goal.jobs === 1 ? "job" : "jobs"} per worker`;
    case "startWithin":
      return `start within ${span(goal.ms)}${ratesText(rates)}`;
    case "drainWithin":
      return `drained within ${span(goal.ms)}${ratesText(rates)}`;
    default:
      return goal satisfies never;
  }
}

function ratesText(rates: Rates | undefined): string {
  if (rates === undefined) return "";
  const { service, arrivals, serviceMs, perMs } = rates;
  const served: Record<Source, string> = {
    assumed: `, service time not known yet (${span(serviceMs)} assumed)`,
    "as given": `, service time ${span(serviceMs)} (as given)`,
    "measured from counters": `, service time ${span(serviceMs)} (measured from counters)`,
    "measured from the oldest job's age": `, service time ${span(serviceMs)} (measured from the oldest job's age)`,
  };
  if (arrivals === "assumed") return served[service];
  const rate = `, ${Math.round(perMs * 10_000) / 10} jobs/s`;
  return served[service] + (arrivals === service ? rate : `${rate} (${arrivals})`);
}
