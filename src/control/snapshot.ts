import type { ConnectionRef } from "../api/resolve-rules.ts";
import { adviceOn } from "../core/advice.ts";
import type { Observation } from "../core/contract.ts";
import { decide } from "../core/decide.ts";
import type { Decision, TriggerView } from "../core/decision.ts";
import { whatWouldChange } from "../core/explain.ts";
import type { Goal } from "../core/spec.ts";
import type { ConnectionState } from "../observe/observer.ts";
import type { Managed } from "./controller.ts";
import { type Moment, type Standing, untakenSince } from "./standing.ts";
import type { ChangeSnapshot, ConnectionSnapshot, TriggerSnapshot, WorkerSnapshot } from "./worker-snapshot.ts";

/** What is told of a worker beside its present state. */
export type Told = Readonly<{
  changes: readonly ChangeSnapshot[];
  lastChange?: WorkerSnapshot["lastChange"];
  decidedAt?: string;
}> &
  Standing;

/** Monotonic time as wall time, for people. */
export const wallOf = (at: number, { now, wall }: Moment): string => new Date(wall - (now - at)).toISOString();

/**
 * All there is to tell of one ScaledWorker at this moment. What would change it is asked of the rules many times over:
 * `explained` false leaves it out where many workers are looked at.
 */
export function workerSnapshot({ worker, loop }: Managed, told: Told, moment: Moment, explained: boolean): WorkerSnapshot {
  const { rules } = worker;
  const observations = loop.observations();
  const decision = loop.decision();
  const pool = loop.target.pool();
  const trouble = loop.target.trouble();
  const situation = loop.situation();
  // Nobody decides while nothing changes, and the oldest job grows older.
  const views = explained && situation ? decide(situation).decision.triggers : decision?.triggers;
  const untaken = untakenSince({ worker, loop }, told);
  const at = new Date(moment.wall).toISOString();
  return {
    generatedAt: at,
    namespace: worker.namespace,
    name: worker.name,
    target: loop.target.title,
    mode: rules.mode,
    generation: worker.generation,
    min: rules.replicas.min,
    max: rules.replicas.max,
    idle: rules.replicas.idle,
    concurrency: rules.concurrency,
    ...(pool && { pool: { wanted: pool.wanted, existing: pool.existing, ready: pool.ready, leaving: pool.leaving } }),
    ...(decision?.busy !== undefined && allKnown(decision) && { busy: decision.busy }),
    ...known("unproven", decision?.unproven),
    ...(decision && { decision }),
    ...(told.decidedAt !== undefined && { decidedAt: told.decidedAt }),
    triggers: worker.triggers.map((_, index) => ({
      ...triggerSnapshot({ worker, loop }, index, observations[index] ?? {}, moment),
      ...readingOf(views?.[index]),
    })),
    conditions: told.conditions,
    ...(untaken !== undefined && { untakenSince: wallOf(untaken, moment) }),
    ...(trouble && { trouble: { reason: trouble.reason, message: trouble.message, since: wallOf(trouble.since, moment) } }),
    ...(told.lastChange && { lastChange: told.lastChange }),
    changes: told.changes,
    whatWouldChange: explained && situation && decision ? whatWouldChange(situation, decision) : [],
  };
}

/** What it was taken from is known: else its numbers are those of the last good readings. */
export function allKnown({ triggers }: Decision): boolean {
  return triggers.every(({ state }) => state === "known");
}

function triggerSnapshot({ worker, loop }: Managed, index: number, observation: Observation, moment: Moment): TriggerSnapshot {
  const trigger = worker.triggers[index];
  const rule = worker.rules.triggers[index];
  if (trigger === undefined || rule === undefined) throw new Error(`${worker.key} has no trigger ${index}`);
  const { reading, sentAt, failure } = observation;
  const view = loop.decision()?.triggers[index];
  const targetMs = waitTargetOf(rule.goal);
  const advice = adviceOn(reading, loop.target.pool());
  return {
    name: trigger.name,
    type: trigger.scaler.type,
    connection: sourceText(trigger.connection),
    ...known("countedBy", trigger.countedBy),
    goal: view?.goal ?? "",
    state: view?.state ?? "unknown",
    active: view?.active ?? false,
    ...known("waiting", reading?.waiting),
    ...known("dueSoon", reading?.dueSoon),
    ...known("running", reading?.running),
    ...known("reserved", reading?.reserved),
    ...known("ceiling", reading?.ceiling),
    ...known("ceilingReason", reading?.ceilingReason),
    ...(reading?.oldestMs !== undefined && { oldestAt: wallOf(reading.sampledAt - reading.oldestMs, moment) }),
    ...known("oldestIsLeast", reading?.oldestIsLeast),
    ...known("waitTargetMs", targetMs),
    ...known("wants", view?.wants),
    ...(sentAt !== undefined && { readAt: wallOf(sentAt, moment) }),
    ...(reading && { sampledAt: wallOf(reading.sampledAt, moment) }),
    ...(advice.length > 0 && { advice }),
    ...(failure && { problem: { ...failure.problem, since: wallOf(failure.since, moment), count: failure.count } }),
  };
}

const readingOf = (view: TriggerView | undefined) => known("reading", view?.reading || undefined);

/** "main", "inline", "clock": where it is read from. */
function sourceText(connection: ConnectionRef): string {
  if (connection.kind !== "inline") return connection.name;
  return connection.inherent ? connection.type : "inline";
}

/** The field, or nothing: a field that is not known is left out. */
function known<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

/** How long a job should wait at most, where the goal says so. */
function waitTargetOf(goal: Goal): number | undefined {
  return goal.kind === "startWithin" || goal.kind === "drainWithin" ? goal.ms : undefined;
}

/** One connection, with wall times. */
export function connectionSnapshot(state: ConnectionState, moment: Moment): ConnectionSnapshot {
  const { problem, lastRoundAt, lastRoundMs, ...rest } = state;
  return {
    ...rest,
    ...(lastRoundMs !== undefined && { lastRoundMs }),
    ...(lastRoundAt !== undefined && { lastRoundAt: wallOf(lastRoundAt, moment) }),
    ...(problem && { problem: { kind: problem.kind, message: problem.message, since: wallOf(problem.since, moment) } }),
  };
}
