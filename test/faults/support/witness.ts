import { setTimeout as pause } from "node:timers/promises";
import type { WorkerSnapshot } from "../../../src/control/worker-snapshot.ts";
import type { TestDatabase } from "../../support/sql-server.ts";
import type { Admin, House, Notes } from "./house.ts";
import { alsoOf, jobsOf, listOf, type Pool, streamOf } from "./pools.ts";
import { createWatcher, type Seen } from "./proc.ts";

/** Sees for itself, without asking worktide: processes from /proc, queues from Redis, connections from the proxy. */
export type Witness = Readonly<{
  /** Processes of a pool at the last look; of a worker with children, the oldest. */
  processes(pool: string): readonly Seen[];
  /** Looks now. */
  look(): readonly Seen[];
  stop(): void;
}>;

const everyMs = { processes: 100, queues: 200, status: 500 };

/** @param snapshots What worktide says of itself: it is noted beside what is so. */
export function createWitness(
  pools: readonly Pool[],
  { journal, proxy, database, adminOf, waitingElsewhere }: House,
  { note, now }: Notes,
  snapshots: () => Promise<readonly WorkerSnapshot[]>,
): Witness {
  const watcher = createWatcher(journal);
  let seen: readonly Seen[] = [];
  const look = () => {
    seen = watcher();
    const t = now();
    for (const { name } of pools) {
      // Children of a worker carry its name.
      const alive = [...new Set(seen.filter((one) => one.pool === name).map(({ id }) => id))];
      note({ kind: "obs", t, worker: name, alive, leaving: [] });
    }
    note({ kind: "clients", t, connection: "main", count: proxy.open() });
    return seen;
  };

  const truthOf = async (pool: Pool) => {
    if (pool.kind === "elsewhere") return { waiting: await inTime(waitingElsewhere(pool.name)), running: 0 };
    if (pool.kind === "table" || pool.kind === "rows") return tableTruth(database, pool.name);
    const count = pool.kind === "bullmq" ? bullmqTruth : pool.kind === "list" ? listTruth : streamTruth;
    return count(adminOf(pool), pool.name);
  };

  const queues = () =>
    Promise.all(
      pools.map(async (pool) => {
        // What Celery's workers hold stands in no key: nobody outside can know it.
        if (pool.kind === "celery") return;
        const t = now(); // what comes back was so then or later, by less than the slack
        const counts = await truthOf(pool);
        note({ kind: "truth", t, worker: pool.name, trigger: pool.name, ...counts });
        if (pool.also) note({ kind: "truth", t, worker: pool.name, trigger: alsoOf(pool.name), waiting: 0, running: 0 });
      }),
    );

  const status = async () => {
    const askedAt = now();
    for (const worker of await snapshots()) {
      for (const { name, problem, readAt } of worker.triggers) {
        if (problem === undefined && readAt === undefined) continue;
        note({ kind: "status", t: now(), askedAt, worker: worker.name, trigger: name, known: problem === undefined });
      }
    }
  };

  const stops = [repeat(everyMs.processes, look), repeat(everyMs.queues, queues), repeat(everyMs.status, status)];
  return {
    look,
    processes(pool) {
      const mine = seen.filter((one) => one.pool === pool).toSorted((a, b) => b.pid - a.pid);
      return [...new Map(mine.map((one) => [one.id, one])).values()];
    },
    stop() {
      for (const stop of stops) stop();
    },
  };
}

async function bullmqTruth(admin: Admin, queue: string) {
  const key = (type: string) => `bull:${queue}:${type}`;
  const asked = Promise.all([admin.lLen(key("wait")), admin.zCard(key("prioritized")), admin.lLen(key("active"))]);
  const [waiting, prioritized, running] = await inTime(asked);
  return { waiting: waiting + prioritized, running };
}

async function listTruth(admin: Admin, name: string) {
  return { waiting: await inTime(admin.lLen(listOf(name))), running: 0 };
}

async function streamTruth(admin: Admin, name: string) {
  const [group] = await inTime(admin.xInfoGroups(streamOf(name)));
  return { waiting: Number(group?.lag ?? 0), running: Number(group?.pending ?? 0) };
}

async function tableTruth(database: TestDatabase | undefined, name: string) {
  const [row] = await inTime(database?.sql(jobsOf(name)) ?? Promise.reject(new Error("there is no database")));
  return { waiting: Number(row?.["waiting"]), running: Number(row?.["running"]) };
}

/** An answer that comes too late tells of nobody knows when. */
async function inTime<T>(asked: Promise<T>): Promise<T> {
  asked.catch(() => {});
  const late = new AbortController();
  const { signal } = late;
  try {
    return await Promise.race([asked, pause(300, undefined, { signal }).then(() => Promise.reject(new Error("too late")))]);
  } finally {
    late.abort();
  }
}

/** Runs it so often, one at a time; a failure is a sample that is missing. */
function repeat(ms: number, work: () => unknown): () => void {
  let running = false;
  const turn = async () => {
    if (running) return;
    running = true;
    try {
      await work();
    } catch {
      // Nobody could look: the checker sees the gap.
    } finally {
      running = false;
    }
  };
  const timer = setInterval(() => void turn(), ms);
  return () => clearInterval(timer);
}
