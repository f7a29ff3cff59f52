import type { ChangeSnapshot, ConnectionSnapshot, TriggerSnapshot, WorkerSnapshot } from "../../src/control/worker-snapshot.ts";
import { workerKey } from "../../src/control/worker-snapshot.ts";
import { conditionsOf, createSynthetic, workerOf } from "./synthetic.ts";

const iso = (t: number) => new Date(t).toISOString();

/** Some pools in the states that matter, with a quarter of an hour behind them. */
export function createScene(now: number) {
  const mails = workerOf(now, { pool: { wanted: 9, existing: 9, ready: 8, leaving: 0 } });
  const [trigger] = mails.triggers as [TriggerSnapshot];
  const full = workerOf(now, {
    name: "resize",
    target: "process celery -A images worker",
    max: 8,
    pool: { wanted: 8, existing: 8, ready: 8, leaving: 0 },
    busy: 8,
    lastChange: { at: iso(now - 240_000), from: 5, to: 8, reason: "AtMaximum" },
    triggers: [
      { ...trigger, name: "images", type: "celery", waiting: 212, oldestAt: iso(now - 95_000), oldestIsLeast: true },
      { ...trigger, name: "thumbnails", type: "celery", waiting: 3, oldestAt: iso(now - 4_000), wants: 1 },
    ],
    conditions: conditionsOf(now, {
      ScalingLimited: { status: "True", reason: "AtMaximum", message: "212 waiting ask for 14, at most 8" },
    }),
  });
  const asleep = workerOf(now, {
    name: "reports",
    pool: { wanted: 0, existing: 0, ready: 0, leaving: 0 },
    busy: 0,
    lastChange: { at: iso(now - 660_000), from: 2, to: 0, reason: "Empty" },
    triggers: [withoutOldest({ ...trigger, name: "reports", waiting: 0, running: 0, active: false, wants: 0 })],
    conditions: conditionsOf(now, { Active: { status: "False", reason: "Empty", message: "nothing to do" } }),
  });
  const broken = workerOf(now, {
    namespace: "shop",
    name: "invoices",
    pool: { wanted: 3, existing: 3, ready: 3, leaving: 0 },
    busy: 1,
    lastChange: { at: iso(now - 5_400_000), from: 1, to: 3, reason: "WorkWaiting" },
    triggers: [
      {
        ...trigger,
        name: "invoices",
        connection: "shop/billing",
        state: "stale",
        waiting: 12,
        problem: { kind: "timeout", message: "no answer within 3 s", since: iso(now - 130_000), count: 40 },
      },
    ],
    conditions: conditionsOf(now, {
      Ready: { status: "False", reason: "QueueUnreachable", message: "trigger invoices: no answer within 3 s" },
      ReadingsFresh: { status: "False", reason: "AllStale", message: "trigger invoices: no answer within 3 s" },
    }),
  });
  const connections: readonly ConnectionSnapshot[] = [
    { name: "default/main", type: "redis", up: true, triggers: 4, rounds: 911, lastRoundMs: 1.4, lastRoundAt: iso(now - 400) },
    {
      name: "shop/billing",
      type: "redis",
      up: false,
      triggers: 1,
      rounds: 612,
      lastRoundMs: 3_000,
      lastRoundAt: iso(now - 131_000),
      problem: { kind: "timeout", message: "no answer within 3 s", since: iso(now - 130_000) },
    },
  ];
  const workers = [mails, full, asleep, broken];
  const scene = createSynthetic(workers, connections);
  workers.forEach((worker, index) => {
    for (let age = 900_000; age > 0; age -= 3_000) scene.point(worker, pointOf(worker, now - age, age, index));
    const { pool, busy = 0 } = worker;
    scene.point(worker, {
      t: now,
      waiting: worker.triggers[0]?.waiting ?? 0,
      oldestMs: index === 2 ? null : 21_000,
      wanted: pool?.wanted ?? 0,
      existing: pool?.existing ?? 0,
      busy,
    });
  });
  return { scene, mails };
}

function withoutOldest({ oldestAt: _, ...trigger }: TriggerSnapshot): TriggerSnapshot {
  return trigger;
}

/** A tide that comes and goes, another for each pool. */
function pointOf(worker: WorkerSnapshot, t: number, age: number, index: number) {
  const tide = Math.max(0, Math.sin(1.2 + index / 2 + age / (60_000 + index * 25_000)));
  const waiting = Math.round(tide * 430 * (1 + 0.12 * Math.sin(age / 4_000)));
  const wanted = Math.min(worker.max, Math.ceil(waiting / 50));
  const existing = Math.min(worker.max, Math.max(wanted, Math.ceil(tide * 7)));
  return {
    t,
    waiting,
    oldestMs: waiting === 0 ? null : Math.round(tide * 34_000),
    wanted,
    existing,
    busy: Math.min(existing, Math.ceil(tide * 8)),
  };
}

/** One more decision on a worker, as the controller would tell of it. */
export function grown(worker: WorkerSnapshot, now: number, to: number): WorkerSnapshot {
  const from = worker.pool?.wanted ?? 0;
  const summary = `${to * 50} jobs wait in mails and 50 a worker ask for ${to}`;
  const change: ChangeSnapshot = {
    id: `d${now}`,
    at: iso(now),
    from,
    to,
    rule: "demand",
    reason: "WorkWaiting",
    summary,
    steps: [],
  };
  return {
    ...worker,
    generatedAt: iso(now),
    pool: { wanted: to, existing: from, ready: from, leaving: 0 },
    ...(worker.decision && { decision: { ...worker.decision, from, to, summary } }),
    lastChange: { at: iso(now), from, to, reason: "WorkWaiting" },
    changes: [change, ...worker.changes],
  };
}

export { workerKey };
