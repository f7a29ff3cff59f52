import type { Observation, Reading } from "./contract.ts";
import { decide } from "./decide.ts";
import type { Decision, Situation } from "./decision.ts";
import { withinLimits } from "./limits.ts";
import { recordScale } from "./memory.ts";
import { backlog } from "./reading.ts";
import { list, span } from "./words.ts";

/**
 * What would change the size, as lines for people: "more than 450 waiting -> 10", "fewer than 401 waiting for 60 s -> 8",
 * "empty for 60 s -> 0". Found by asking {@link decide} itself about readings that are not there, and letting its time
 * pass. `situation` is the one that `decision` was made in. Takes some milliseconds: not for the hot path.
 */
export function whatWouldChange(given: Situation, decision: Decision): readonly string[] {
  const situation = withinLimits(given);
  const { rules, observations } = situation;
  const lines: string[] = [];
  const after = applied(situation, decision);
  const varied = rules.triggers.findIndex(
    (rule, index) =>
      (decision.decides === undefined || rule.name === decision.decides) && observations[index]?.reading?.waiting !== undefined,
  );
  const place = rules.triggers.length > 1 ? ` in ${rules.triggers[varied]?.name}` : "";
  if (rules.pause !== undefined) lines.push("the end of the pause");
  if (decision.to >= rules.replicas.max) lines.push(`nothing above ${decision.to}: it is the maximum`);
  for (const [index, { reading }] of observations.entries()) {
    if (reading?.until !== undefined) lines.push(`${rules.triggers[index]?.name} holds until ${reading.until}`);
  }
  const blind = decision.triggers.filter((trigger) => trigger.state !== "known").map((trigger) => trigger.name);
  if (blind.length > 0) lines.push(`${list(blind)} readable again -> may shrink`);
  if (varied >= 0) {
    const more = decision.to < rules.replicas.max ? larger(after, varied, decision.to) : undefined;
    if (more !== undefined) {
      const over = more.jobs > 1 ? `more than ${more.jobs - 1} waiting` : "any job";
      lines.push(`${over}${place}${forLong(more)} -> ${more.to}`);
    }
    const fewer = smaller(after, varied, decision.to);
    if (fewer !== undefined) lines.push(`fewer than ${fewer.jobs + 1} waiting${place}${forLong(fewer)} -> ${fewer.to}`);
  }
  const empty = settled(after, emptied, "last");
  if (empty.to < decision.to) lines.push(`empty${forLong(empty)} -> ${empty.to}`);
  return lines;
}

type Outcome = Readonly<{ to: number; afterMs: number }>;
type Bound = Outcome & Readonly<{ jobs: number }>;
type Change = (observation: Observation, index: number) => Observation;

function forLong({ afterMs }: Outcome): string {
  return afterMs < 1 ? "" : ` for ${span(afterMs)}`;
}

/** As it will be once the decision is applied. Jobs in hand are let out: they hold a size only until they are done. */
function applied(situation: Situation, decision: Decision): Situation {
  const { memory } = decide(situation);
  const rules = { ...situation.rules, scaleDown: { ...situation.rules.scaleDown, protect: "grace" as const } };
  return resized({ ...situation, rules, memory }, decision.to);
}

function resized(situation: Situation, to: number): Situation {
  const { members: _, ...pool } = situation.pool;
  const memory = recordScale(situation.memory, situation.pool.wanted, to, situation.now);
  return { ...situation, memory, pool: { ...pool, wanted: to, existing: to, ready: to, leaving: 0 } };
}

/** No queue holds more, and halving the distance between larger numbers comes to no end: not all of them exist. */
const mostJobs = 1e12;

/** The least backlog that brings a larger size. */
function larger(situation: Situation, varied: number, size: number): Bound | undefined {
  const present = waitingOf(situation, varied);
  if (present === undefined) return undefined;
  const grows = (jobs: number) => settled(situation, waiting(varied, jobs), "first").to > size;
  let high = Math.max(1, present * 2);
  while (!grows(high)) {
    high *= 4;
    if (high > mostJobs) return undefined;
  }
  let low = present;
  if (grows(low)) return undefined;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (grows(middle)) high = middle;
    else low = middle;
  }
  return bound(situation, varied, high);
}

/** The largest backlog that brings a smaller size. */
function smaller(situation: Situation, varied: number, size: number): Bound | undefined {
  const shrinks = (jobs: number) => settled(situation, waiting(varied, jobs), "first").to < size;
  let low = 1;
  let high = (waitingOf(situation, varied) ?? 0) + 1;
  if (high <= low || !shrinks(low)) return undefined;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (shrinks(middle)) low = middle;
    else high = middle;
  }
  return bound(situation, varied, low);
}

function bound(situation: Situation, varied: number, jobs: number): Bound {
  const reading = situation.observations[varied]?.reading;
  return { ...settled(situation, waiting(varied, jobs), "first"), jobs: jobs + (reading?.dueSoon ?? 0) };
}

/** Whole jobs: sources may give fractions. Undefined for what is no count of jobs. */
function waitingOf(situation: Situation, varied: number): number | undefined {
  const jobs = Math.floor(situation.observations[varied]?.reading?.waiting ?? 0);
  return jobs >= 0 && jobs <= mostJobs ? jobs : undefined;
}

function waiting(varied: number, jobs: number): Change {
  return (observation, index) =>
    index === varied && observation.reading !== undefined
      ? { ...observation, reading: { ...observation.reading, waiting: jobs } }
      : observation;
}

const emptied: Change = (observation) => {
  const { reading } = observation;
  if (reading === undefined || reading.wants !== undefined) return observation;
  const nothing: Reading = {
    ...reading,
    ...(backlog(reading) > 0 ? { waiting: 0, dueSoon: 0 } : undefined),
    ...(reading.running === undefined ? undefined : { running: 0 }),
    ...(reading.reserved === undefined ? undefined : { reserved: 0 }),
  };
  return { ...observation, reading: nothing };
};

/** More turns than windows, cooldown and proof take one after the other; policies may take more, and are cut off. */
const mostTurns = 40;

/**
 * Lets time pass over readings that stay as they are but for `change`, until the size first changes, or changes no
 * more.
 */
function settled(start: Situation, change: Change, until: "first" | "last"): Outcome {
  let situation = start;
  let outcome: Outcome = { to: start.pool.wanted, afterMs: 0 };
  for (let turn = 0; turn < mostTurns; turn++) {
    const { now } = situation;
    // Taken anew at each turn; `sampledAt` stays, so that rates are not measured on what is not there.
    const observations = situation.observations.map((observation, index) =>
      observation.failure === undefined && observation.reading !== undefined
        ? { ...change(observation, index), sentAt: now }
        : observation,
    );
    const { decision, memory } = decide({ ...situation, observations });
    situation = { ...situation, memory };
    if (decision.to !== decision.from) {
      outcome = { to: decision.to, afterMs: now - start.now };
      if (until === "first") return outcome;
      situation = resized(situation, decision.to);
    } else if (decision.nextAt === undefined) {
      return outcome;
    }
    situation = { ...situation, now: decision.nextAt ?? now };
  }
  return outcome;
}
