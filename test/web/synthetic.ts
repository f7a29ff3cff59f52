import type { Condition } from "../../src/control/conditions.ts";
import type {
  ChangeHint,
  ConnectionSnapshot,
  SnapshotSource,
  Subscribe,
  WorkerSnapshot,
} from "../../src/control/worker-snapshot.ts";
import { workerKey } from "../../src/control/worker-snapshot.ts";
import type { Reason } from "../../src/core/decision.ts";
import type { Columns, Point } from "../../src/telemetry/series.ts";
import { createSeries } from "../../src/telemetry/series.ts";

const iso = (t: number) => new Date(t).toISOString();

/** A worker that has something to tell in every place; `over` makes it what a test needs. */
export function workerOf(now: number, over: Partial<WorkerSnapshot> = {}): WorkerSnapshot {
  const { min = 0, max = 20 } = over;
  const step = (rule: "demand" | "behavior" | "clamp", from: number, to: number, reason: Reason, message: string) => ({
    rule,
    from,
    to,
    reason,
    message,
  });
  const steps = [
    step("demand", 4, 9, "WorkWaiting", "mails: 430 waiting, 50 waiting per worker, ask for 9"),
    step("behavior", 9, 9, "WorkWaiting", "no step limit holds it"),
    step("clamp", 9, 9, "WorkWaiting", `9 is within ${min} and ${max}`),
  ];
  const summary = "430 jobs wait in mails and 50 a worker ask for 9";
  return {
    generatedAt: iso(now),
    namespace: "default",
    name: "mails",
    target: "process node worker.js",
    mode: "Scale",
    generation: 3,
    min,
    max,
    idle: min,
    concurrency: 4,
    pool: { wanted: 9, existing: 9, ready: 8, leaving: 1 },
    busy: 7,
    decision: {
      from: 4,
      to: 9,
      rule: "demand",
      reason: "WorkWaiting",
      summary,
      decides: "mails",
      steps,
      triggers: [
        {
          name: "mails",
          state: "known",
          wants: 9,
          active: true,
          reading: "430 waiting",
          goal: "50 waiting per worker",
          ageMs: 210,
        },
      ],
      busy: 7,
    },
    decidedAt: iso(now - 12_000),
    triggers: [
      {
        name: "mails",
        type: "bullmq",
        connection: "default/main",
        goal: "start within 30 s",
        state: "known",
        active: true,
        waiting: 430,
        running: 28,
        oldestAt: iso(now - 21_000),
        waitTargetMs: 30_000,
        wants: 9,
        readAt: iso(now - 210),
      },
    ],
    conditions: conditionsOf(now),
    lastChange: { at: iso(now - 12_000), from: 4, to: 9, reason: "WorkWaiting" },
    changes: [
      { id: "d41", at: iso(now - 12_000), from: 4, to: 9, rule: "demand", reason: "WorkWaiting", summary, steps },
      {
        id: "d17",
        at: iso(now - 900_000),
        from: 0,
        to: 4,
        rule: "activation",
        reason: "WorkWaiting",
        summary: "200 jobs wait in mails: woken from zero",
        steps: [step("demand", 0, 4, "WorkWaiting", "mails: 200 waiting, 50 waiting per worker, ask for 4")],
      },
    ],
    whatWouldChange: ["more than 450 waiting: 10", "fewer than 401 for 60 s: 8", "empty for 60 s: 0"],
    ...over,
  };
}

export function conditionsOf(now: number, over: Readonly<Record<string, Partial<Condition>>> = {}): readonly Condition[] {
  const since = iso(now - 3_600_000);
  const usual: readonly Condition[] = [
    { type: "Ready", status: "True", reason: "Working", message: "", since },
    { type: "Active", status: "True", reason: "WorkWaiting", message: "", since },
    { type: "ReadingsFresh", status: "True", reason: "AllFresh", message: "", since },
    { type: "ScalingLimited", status: "False", reason: "DesiredWithinRange", message: "", since },
    { type: "Paused", status: "False", reason: "NotPaused", message: "", since },
  ];
  return usual.map((condition) => ({ ...condition, ...over[condition.type] }));
}

/** Workers and connections that a test changes at will; every change is told to who has subscribed. */
export function createSynthetic(workers: readonly WorkerSnapshot[], connections: readonly ConnectionSnapshot[] = []) {
  const present = new Map(workers.map((worker) => [workerKey(worker.namespace, worker.name), worker]));
  let links = connections;
  const series = createSeries({ gapMs: 0 });
  const listeners = new Set<(hint: ChangeHint) => void>();
  const tell = (hint: ChangeHint) => {
    for (const listener of listeners) listener(hint);
  };
  const source: SnapshotSource = {
    workers: () => [...present.values()],
    worker: (namespace, name) => present.get(workerKey(namespace, name)),
    series: (namespace, name, since): Columns => series.columns(workerKey(namespace, name), since),
    connections: () => links,
  };
  const events: Subscribe = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    source,
    events,
    listeners: () => listeners.size,
    set(worker: WorkerSnapshot, point?: Point) {
      const key = workerKey(worker.namespace, worker.name);
      const isNew = !present.has(key);
      present.set(key, worker);
      if (point !== undefined) series.add(key, point);
      tell(isNew ? { workers: true } : { worker });
    },
    point(worker: WorkerSnapshot, point: Point) {
      series.add(workerKey(worker.namespace, worker.name), point);
    },
    remove(namespace: string, name: string) {
      present.delete(workerKey(namespace, name));
      tell({ workers: true });
    },
    connect(next: readonly ConnectionSnapshot[]) {
      links = next;
    },
  };
}
