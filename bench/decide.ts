import { performance } from "node:perf_hooks";
import type { Observation, Reading, Worker } from "../src/core/contract.ts";
import { decide } from "../src/core/decide.ts";
import type { Situation } from "../src/core/decision.ts";
import { emptyMemory } from "../src/core/memory.ts";
import type { Member, Rules, TriggerRule } from "../src/core/spec.ts";
import type { Bench } from "./context.ts";
import { digits, median } from "./figures.ts";

/** One course of events: the situation of each step, without the memory of the step before. */
type Course = Readonly<{ title: string; at: (step: number) => Omit<Situation, "memory"> }>;

const direction = { stabilizationWindowSeconds: 0, selectPolicy: "Max", policies: [], tolerance: 0 } as const;

function rulesOf(triggers: readonly TriggerRule[]): Rules {
  return {
    generation: 1,
    replicas: { min: 0, max: 100, idle: 0 },
    triggers,
    concurrency: 1,
    scaleDown: { protect: "busy", cooldownMs: 60_000 },
    behavior: { scaleUp: direction, scaleDown: { ...direction, stabilizationWindowSeconds: 60 } },
    staleAfterMs: 60_000,
    mode: "Scale",
  };
}

const trigger = (index: number, goal: TriggerRule["goal"]): TriggerRule => ({
  name: `queue-${index}`,
  goal,
  activation: 0,
  intervalMs: 1000,
});

/** A backlog that comes and goes, read once a second. */
function reading(step: number, now: number, more: Partial<Reading> = {}): Observation {
  const waiting = Math.round(500 * (1 + Math.sin(step / 50)));
  return { sentAt: now - 1, reading: { waiting, epoch: "one", sampledAt: now - 1, ...more } };
}

function simple(): Course {
  const rules = rulesOf([trigger(0, { kind: "waitingPerReplica", jobs: 20 })]);
  return {
    title: "one trigger, waitingPerReplica",
    at(step) {
      const now = 1_000_000 + step * 1000;
      const pool = { uid: "pool", wanted: 25, existing: 25, ready: 25, leaving: 0, changedAt: 0 };
      return { rules, pool, observations: [reading(step, now)], now };
    },
  };
}

function rich(): Course {
  const goals = ["startWithin", "drainWithin", "startWithin", "drainWithin"] as const;
  const rules = rulesOf([
    trigger(0, { kind: "jobsPerReplica", jobs: 10 }),
    ...goals.map((kind, i) => trigger(i + 1, { kind, ms: 30_000, serviceMs: 2000 })),
  ]);
  const members: readonly Member[] = Array.from({ length: 50 }, (_, i) => ({
    id: `pool-${i}-abcd`,
    ready: true,
    leaving: false,
    startedAt: 1000,
  }));
  const pool = { uid: "pool", wanted: 50, existing: 50, ready: 50, leaving: 0, changedAt: 1000, members };
  return {
    title: "five triggers that name 50 members, startWithin and drainWithin measured",
    at(step) {
      const now = 1_000_000 + step * 1000;
      const workers: readonly Worker[] = members.map(({ id }, i) => ({
        id,
        busy: (i + step) % 3 === 0 ? 1 : 0,
        seenAt: now - 1,
      }));
      const running = workers.reduce((sum, { busy }) => sum + busy, 0);
      const counters = { running, workers, enqueued: step * 10, finished: Math.max(0, step * 10 - 500), oldestMs: 4000 };
      const observations = rules.triggers.map((_, i) => reading(step + 10 * i, now, counters));
      return { rules, pool, observations, now };
    },
  };
}

/** How many decisions the core takes in a second, each from the memory of the one before; on one core. */
export const decisions: Bench = async ({ quick, say }) => {
  const courses = [simple(), rich()];
  const found = new Map<string, number[]>(courses.map(({ title }) => [title, []]));
  const [repeats, ms] = quick ? [3, 300] : [9, 1000];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const course of courses) found.get(course.title)?.push(run(course, ms));
  }
  for (const [title, rates] of found) say(`decisions: ${title}: ${digits(median(rates))} a second`);
  return [
    {
      title: "Decisions of the core",
      note: "`decide` alone, one thread, the backlog changing with each reading; what makes up the readings is counted out.",
      head: ["course", "decisions a second", "µs each"],
      rows: courses.map(({ title }) => {
        const rate = Math.round(median(found.get(title) ?? []));
        return [title, digits(rate), digits(1e6 / rate)];
      }),
    },
  ];
};

/** Decisions in a second of deciding. */
function run({ at }: Course, ms: number): number {
  let memory = emptyMemory;
  let [count, spent] = [0, 0];
  while (spent < ms) {
    const situations = Array.from({ length: 200 }, (_, i) => at(count + i));
    const from = performance.now();
    for (const situation of situations) memory = decide({ ...situation, memory }).memory;
    spent += performance.now() - from;
    count += situations.length;
  }
  return (count / spent) * 1000;
}
