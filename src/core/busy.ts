import type { Reading, Worker } from "./contract.ts";
import type { Situation } from "./decision.ts";
import { type Facts, type Ruling, ruled, type TriggerFacts } from "./facts.ts";
import { byName, type Named, workersOf } from "./names.ts";
import type { Member, Pool } from "./spec.ts";
import { plural } from "./words.ts";

/** Who has jobs in hand, as far as known. */
export type Hands = Readonly<{
  /** Workers with a job in hand. */
  busy: number;
  /** Workers that scale-down must spare: the busy ones, and those not proven idle. */
  spared: number;
  /** Members that may go, most removable first; absent where members cannot be told apart. */
  removable?: readonly string[];
  /** What {@link spared} was taken from, as a sentence. */
  basis: string;
}>;

/** A worker that is up for so long, ms, is named by its framework if it ever will be. */
const namedWithinMs = 15_000;

/**
 * Counts the workers that scale-down must spare.
 *
 * | what is seen                          | spared                                                      |
 * |---------------------------------------|-------------------------------------------------------------|
 * | members, and readings that name them  | all but those proven idle                                   |
 * | members that no reading ever named    | as many as are busy, ⌈running / concurrency⌉ at least       |
 * | no members                            | the same                                                    |
 * | members that end by themselves (Jobs) | all                                                         |
 *
 * A member is proven idle when a fresh reading, asked for after it began and after the pool last changed, names it (or
 * names all who are busy, and not it), and every reading that names it shows nothing in its hands; and when no trigger that
 * does not name it has running jobs which nobody is known to hold. One that is not up (crashed, or not there yet) is idle
 * unless a reading says otherwise.
 */
export function handsOf(situation: Situation, triggers: readonly TriggerFacts[], everNamed: boolean): Hands {
  const { pool, rules } = situation;
  if (pool.removal?.who === "none") return kept(situation, triggers, pool.removal.because ?? "they end by themselves");
  if (pool.members === undefined || rules.scaleDown.protect === "grace") return counted(situation, triggers);
  const staying = pool.members.filter((member) => !member.leaving);
  if (!everNamed && longUnnamed(staying, triggers)) {
    const hands = counted(situation, triggers);
    const advice = "no reading names a member: give workers the name in WORKTIDE_WORKER_ID";
    return { ...hands, basis: `${hands.basis}; ${advice}` };
  }
  const views = triggers.filter(seesJobs).map((trigger) => viewOf(trigger, situation, everNamed));
  const idle = inOrder(pool, staying, views);
  const spared = Math.max(0, Math.max(pool.existing, staying.length) - idle.length);
  const holding = staying.filter((member) => views.some((view) => workersOf(member, view.workers).some(holds))).length;
  // Until one is named, the running jobs are what is known of them.
  const busy = everNamed ? holding : Math.min(spared, counted(situation, triggers).busy);
  const said = busy > 0 || spared === 0 ? [`${plural(busy, "worker")} with jobs in hand`] : [];
  if (spared > busy) said.push(`${spared - busy} ${unproven[pool.removal?.who ?? "named"]}`);
  if (pool.removal?.because !== undefined) said.push(pool.removal.because);
  return { busy, spared, removable: idle.map((member) => member.id), basis: said.join(", ") };
}

/** What those are that are spared without a job in hand. */
const unproven = {
  named: "not proven idle",
  first: "not proven idle, or behind one that is not",
  any: "that may go with one that is not proven idle",
  none: "kept",
} as const;

/** Nobody is removed. */
function kept(situation: Situation, triggers: readonly TriggerFacts[], because: string): Hands {
  const { busy } = counted(situation, triggers);
  const spared = Math.max(situation.pool.existing, situation.pool.wanted);
  return { busy: Math.min(busy, spared), spared, removable: [], basis: because };
}

/** Members that may go, most removable first: those proven idle, as far as the target can take just these. */
function inOrder({ removal }: Pool, staying: readonly Member[], views: readonly View[]): readonly Member[] {
  const idle = staying.filter((member) => isIdle(member, views));
  if (removal?.who === "first") {
    const proven = new Set(idle);
    const end = staying.findIndex((member) => !proven.has(member));
    return end < 0 ? staying : staying.slice(0, end);
  }
  if (removal?.who === "any" && idle.length < staying.length) return [];
  return idle.sort((a, b) => Number(a.ready) - Number(b.ready) || quiet(b, views) - quiet(a, views) || b.startedAt - a.startedAt);
}

/**
 * Without names that match, only numbers. Jobs may be spread over more workers than the least that could hold them: where
 * the framework counts the busy ones (outsiders too), that many are spared. Of jobs that two triggers count, perhaps by other
 * names of their workers, what the one that sees more of them says counts.
 */
function counted({ rules }: Situation, triggers: readonly TriggerFacts[]): Hands {
  let running = 0;
  const holding = new Set<string>();
  for (const trigger of triggers.filter(({ rule }) => rule.countedBy === undefined)) {
    const own = inHand([trigger]);
    const again = inHand(triggers.filter(({ rule }) => rule.countedBy === trigger.rule.name));
    running += Math.max(own.running, again.running);
    for (const id of own.holding.size < again.holding.size ? again.holding : own.holding) holding.add(id);
  }
  const least = Math.ceil(running / rules.concurrency);
  const jobs = `${plural(running, "job")} running`;
  return holding.size > least
    ? { busy: holding.size, spared: holding.size, basis: `${jobs}, on ${plural(holding.size, "worker")}` }
    : { busy: least, spared: least, basis: `${jobs}, ${rules.concurrency} per worker` };
}

function inHand(triggers: readonly TriggerFacts[]): Readonly<{ running: number; holding: ReadonlySet<string> }> {
  const workers = triggers.flatMap(({ reading }) => reading?.workers ?? []);
  return {
    running: triggers.reduce((sum, { reading }) => sum + (reading?.running ?? 0), 0),
    holding: new Set(workers.filter(({ busy }) => busy > 0).map(({ id }) => id)),
  };
}

/** Whether some reading names a member of the pool. */
export function namesMember({ pool, observations }: Situation): boolean {
  const { members } = pool;
  if (members === undefined || members.length === 0) return false;
  return observations.some(({ reading }) => {
    if (reading?.workers === undefined || reading.workers.length === 0) return false;
    const named = byName(reading.workers);
    return members.some((member) => workersOf(member, named).length > 0);
  });
}

/** Some member is up for long enough, and no reading since has named any. */
function longUnnamed(staying: readonly Member[], triggers: readonly TriggerFacts[]): boolean {
  return triggers.some(
    ({ known, observation }) =>
      known && staying.some((member) => member.ready && (observation.sentAt ?? 0) - member.startedAt > namedWithinMs),
  );
}

function seesJobs({ reading }: TriggerFacts): boolean {
  return reading !== undefined && reading.wants === undefined;
}

/** What one trigger tells of workers. */
type View = Readonly<{
  workers: Named;
  /** When its numbers were taken; undefined when it is not fresh and proves nothing. */
  takenAt?: number;
  /** Running jobs that no worker in the reading is said to hold. */
  unclaimed: boolean;
  /** Members that it does not name have nothing in hand. Where busy ones are named, only once names are known to fit. */
  othersIdle: boolean;
}>;

function viewOf({ reading, observation, known }: TriggerFacts, { pool }: Situation, everNamed: boolean): View {
  const { workers = [], running = 0, sampledAt = 0 }: Partial<Reading> = reading ?? {};
  const claimed = workers.reduce((sum, worker) => sum + worker.busy, 0);
  const takenAt = Math.min(sampledAt, observation.sentAt ?? 0);
  return {
    workers: byName(workers),
    ...(known && takenAt > pool.changedAt ? { takenAt } : undefined),
    unclaimed: running > claimed,
    othersIdle: reading?.othersIdle === true && running <= claimed && (everNamed || claimed === 0),
  };
}

function isIdle(member: Member, views: readonly View[]): boolean {
  let proven = false;
  for (const { workers, takenAt, unclaimed, othersIdle } of views) {
    const own = workersOf(member, workers);
    if (own.length === 0 && unclaimed && member.ready) return false;
    if (own.length === 0 && !othersIdle) continue;
    if (own.some(holds)) return false;
    if (takenAt === undefined || takenAt <= member.startedAt) {
      if (member.ready) return false;
      continue;
    }
    proven = true;
  }
  return proven || !member.ready;
}

function holds(worker: Worker): boolean {
  return worker.busy > 0 || (worker.reserved ?? 0) > 0;
}

function quiet(member: Member, views: readonly View[]): number {
  return views.some(({ workers }) => workersOf(member, workers).some((worker) => worker.quiet === true)) ? 1 : 0;
}

/** Rule 5: scale-down never goes below the workers that have jobs in hand. It only brakes, and never grows the pool. */
export function busyFloor(size: number, facts: Facts & { hands: Hands }): Ruling | undefined {
  const { situation, current, hands } = facts;
  const { removal } = situation.pool;
  if (size >= current || (situation.rules.scaleDown.protect === "grace" && removal?.who !== "none")) return undefined;
  const floor = Math.min(current, hands.spared);
  if (size >= floor) return undefined;
  const { rules, now } = situation;
  // Some are spared only because nothing proves them idle: the next reading may, even if it says the same.
  const open = hands.spared > hands.busy && removal?.who !== "none";
  const nextAt = open ? now + Math.min(...rules.triggers.map((rule) => rule.intervalMs)) : undefined;
  return ruled("busy", size, floor, "WorkersBusy", `${floor} kept: ${hands.basis}`, nextAt);
}
