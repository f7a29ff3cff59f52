import fc from "fast-check";
import type { Observation, Reading, Worker } from "../../src/core/contract.ts";
import type { Direction, Goal, Member, Pool, Rules } from "../../src/core/spec.ts";

/** Any rules that a schema would let through, and any course of events, sane or not. */

const policy = fc.record({
  type: fc.constantFrom("Pods" as const, "Percent" as const),
  value: fc.integer({ min: 1, max: 120 }),
  periodSeconds: fc.constantFrom(1, 15, 60, 1800),
});

const direction: fc.Arbitrary<Direction> = fc.record({
  stabilizationWindowSeconds: fc.constantFrom(0, 0, 1, 60, 300),
  selectPolicy: fc.constantFrom("Max" as const, "Max" as const, "Min" as const, "Disabled" as const),
  policies: fc.array(policy, { maxLength: 3 }),
  tolerance: fc.constantFrom(0, 0, 0.1, 0.5),
});

const time = fc.constantFrom(1, 1000, 30_000, 600_000);
const hints = { serviceMs: fc.constantFrom(1, 2000, 900_000), perSecond: fc.constantFrom(0, 0.5, 1000) };
export const goal: fc.Arbitrary<Goal> = fc.oneof(
  fc.record({ kind: fc.constant("waitingPerReplica" as const), jobs: fc.constantFrom(1, 7, 50) }),
  fc.record({ kind: fc.constant("jobsPerReplica" as const), jobs: fc.constantFrom(1, 4) }),
  fc.record({ kind: fc.constant("startWithin" as const), ms: time, ...hints }, { requiredKeys: ["kind", "ms"] }),
  fc.record({ kind: fc.constant("drainWithin" as const), ms: time, ...hints }, { requiredKeys: ["kind", "ms"] }),
  fc.record({ kind: fc.constant("wants" as const) }),
);

export const anyRules: fc.Arbitrary<Rules> = fc
  .record({
    sizes: fc.tuple(fc.nat(5), fc.nat(20), fc.nat(5)),
    hardMax: fc.boolean(),
    triggers: fc.array(
      fc.record({ goal, activation: fc.constantFrom(0, 0, 3), intervalMs: fc.constantFrom(1000, 1000, 30_000) }),
      { minLength: 1, maxLength: 3 },
    ),
    concurrency: fc.constantFrom(1, 1, 4),
    scaleDown: fc.record({ protect: fc.constantFrom("busy" as const, "grace" as const), cooldownMs: fc.constantFrom(0, 10_000) }),
    behavior: fc.record({ scaleUp: direction, scaleDown: direction }),
    fallback: fc.option(fc.record({ afterFailures: fc.constantFrom(1, 3), replicas: fc.nat(8) }), { nil: undefined }),
    pause: fc.option(
      fc.record({ directions: fc.constantFrom("Both" as const, "Up" as const, "Down" as const), reason: fc.constant("x") }),
      {
        nil: undefined,
        freq: 8,
      },
    ),
  })
  .map(({ sizes: [min, more, idle], hardMax, triggers, fallback, pause, ...rest }) => ({
    ...rest,
    generation: 1,
    replicas: { min, max: min + more, idle: Math.min(idle, min), ...(hardMax && { hardMax }) },
    triggers: triggers.map((trigger, index) => ({ ...trigger, name: `t${index}` })),
    staleAfterMs: 60_000,
    mode: "Scale" as const,
    ...(fallback === undefined ? {} : { fallback }),
    ...(pause === undefined || pause === null ? {} : { pause }),
  }));

const jobs = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.nat(40) },
  fc.nat(5000),
  fc.constant(2 ** 52),
);
const names = ["a", "b", "c", "d", "e", "f"] as const;
const workers: fc.Arbitrary<readonly Worker[]> = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(...names),
    busy: fc.constantFrom(0, 0, 1, 3),
    reserved: fc.constantFrom(0, 0, 2),
    seenAt: fc.constant(0),
  }),
  { selector: (worker) => worker.id, maxLength: 6 },
);

/** What a trigger answers, times left out. */
const answer: fc.Arbitrary<Partial<Reading>> = fc.record(
  {
    waiting: jobs,
    running: fc.constantFrom(0, 0, 0, 1, 3, 12),
    dueSoon: fc.constantFrom(0, 0, 5),
    reserved: fc.constantFrom(0, 0, 3),
    oldestMs: fc.nat(100_000),
    ceiling: fc.constantFrom(0, 3, 1000),
    enqueued: fc.nat(10_000),
    finished: fc.nat(10_000),
    workers,
    othersIdle: fc.boolean(),
    epoch: fc.constantFrom("e1", "e1", "e1", "e2"),
  },
  { requiredKeys: ["waiting", "running", "epoch"] },
);
const odd: fc.Arbitrary<Partial<Reading>> = fc.oneof(
  fc.record({ waiting: fc.constantFrom(-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300), running: fc.constant(0) }),
  fc.record({ waiting: jobs }),
  fc.record({ running: jobs }),
  fc.record({ wants: fc.nat(9) }),
  fc.record({ wants: fc.nat(9), atMost: fc.nat(6), until: fc.constant("18:00") }),
);

export type Turn = Readonly<{
  /** ms since the turn before. */
  dt: number;
  /** Per trigger: a new reading, a failure, or nothing new. */
  news: readonly (Partial<Reading> | "failed" | "none")[];
  members: readonly Omit<Member, "startedAt">[] | undefined;
  /** Someone else's size; the target's own otherwise. */
  foreign: number | undefined;
  applied: boolean;
}>;

export const anyTurn: fc.Arbitrary<Turn> = fc.record({
  dt: fc.oneof(fc.constantFrom(0, 1, 1000, 1000, 5000), fc.nat(90_000)),
  news: fc.array(
    fc.oneof(
      { weight: 8, arbitrary: answer },
      { weight: 1, arbitrary: odd },
      { weight: 1, arbitrary: fc.constantFrom("failed" as const, "none" as const) },
    ),
    { minLength: 3, maxLength: 3 },
  ),
  members: fc.option(
    fc.uniqueArray(
      fc.record({ id: fc.constantFrom(...names), ready: fc.boolean(), leaving: fc.constantFrom(false, false, true) }),
      {
        selector: (member) => member.id,
        maxLength: 6,
      },
    ),
    { nil: undefined },
  ),
  foreign: fc.option(fc.nat(30), { nil: undefined, freq: 8 }),
  applied: fc.constantFrom(true, true, true, false),
});

export function observed(before: Observation, news: Turn["news"][number], now: number): Observation {
  if (news === "none") return before;
  if (news === "failed") {
    const since = before.failure?.since ?? now;
    const count = (before.failure?.count ?? 0) + 1;
    return { ...before, failure: { problem: { kind: "timeout", message: "timed out" }, since, count } };
  }
  return { reading: { sampledAt: now, ...news }, sentAt: now };
}

export function poolOf(wanted: number, turn: Turn, changedAt: number): Pool {
  const members = turn.members?.map((member) => ({ ...member, startedAt: changedAt - 100_000 }));
  const existing = members?.filter((member) => !member.leaving).length ?? wanted;
  const leaving = members === undefined ? 0 : members.length - existing;
  const base = { uid: "p1", wanted, existing, ready: existing, leaving, changedAt };
  return members === undefined ? base : { ...base, members };
}
