import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type FoundWorker, findWorkers, groupLivesWithoutLeader, isSame, realPath } from "./process-identity.ts";
import type { MemberRecord, PoolState } from "./process-state.ts";
import type { ProcessWorker } from "./process-worker.ts";

export type TakenOver = Readonly<{ uid: string; wanted: number; changedAt: number; workers: readonly ProcessWorker[] }>;

export type AdoptOptions = Readonly<{ pool: string; state: PoolState | undefined; boot: string; logDir: string; now: number }>;

/**
 * What an earlier worktide left. The size is that of the living, not what the file asked for: those that ended meanwhile belong to a
 * backlog of that time, and the loop reads the queues before it starts anything. Nothing that lives is stopped for having been found.
 */
export function takeOver(options: AdoptOptions): TakenOver {
  const { state, boot, now } = options;
  const workers = adopt(options);
  const wanted = workers.filter((worker) => !worker.leaving).length;
  const same = state?.boot === boot && state.wanted === wanted;
  return { uid: state?.uid ?? randomUUID(), wanted, changedAt: same ? Math.min(state.changedAt, now) : now, workers };
}

/**
 * The workers of an earlier worktide that still live: those that the state file names and whose start time is the same, and those
 * that only their environment or their log gives away, because the earlier one was killed between starting them and writing it down, or because
 * the file is lost. Of the latter only those count that have a file of ours, or that the file said would be started: another
 * worktide may have a pool of the same name.
 */
function adopt({ pool, state, boot, logDir, now }: AdoptOptions): readonly ProcessWorker[] {
  const records = state !== undefined && state.boot === boot ? state.members : [];
  const named = records.flatMap((record) => fromRecord(record, now) ?? []);
  const taken = new Set(named.map((worker) => worker.id));
  const logs = realPath(logDir);
  const isOurs = ({ id, files }: FoundWorker) =>
    records.some((record) => record.id === id && record.pid === undefined) ||
    (logs !== undefined && files.includes(join(logs, `${id}.log`)));
  const found = findWorkers(pool, logs)
    .filter((row) => !taken.has(row.id) && isOurs(row))
    .toSorted((a, b) => Number(a.start) - Number(b.start));
  for (const row of found) {
    const slot = Number(/-(\d+)-[0-9a-f]{4}$/.exec(row.id)?.[1]);
    if (taken.has(row.id) || !row.id.startsWith(`${pool}-`) || !(slot > 0)) continue;
    taken.add(row.id);
    const record = records.find(({ id }) => id === row.id);
    named.push(
      adopted(
        {
          log: join(logDir, `${row.id}.log`),
          startedAt: now,
          leaving: false,
          ...record,
          id: row.id,
          slot,
          pid: row.pid,
          start: row.start,
        },
        now,
      ),
    );
  }
  return named;
}

function fromRecord(record: MemberRecord, now: number): ProcessWorker | undefined {
  const { pid, start } = record;
  if (pid === undefined || start === undefined) return undefined;
  if (isSame(pid, start)) return adopted({ ...record, pid, start }, now);
  if (!groupLivesWithoutLeader(pid, record)) return undefined;
  return { ...adopted({ ...record, pid, start }, now), leaving: true, ended: "ended while worktide was away" };
}

function adopted(record: MemberRecord & { pid: number; start: string }, now: number): ProcessWorker {
  const { id, slot, pid, start, leaving, log, signalledAt } = record;
  return {
    ...{ id, slot, pid, start, leaving, log },
    startedAt: Math.min(record.startedAt, now),
    child: undefined,
    step: 0,
    signalledAt: signalledAt === undefined ? undefined : Math.min(signalledAt, now),
    checkAt: leaving ? now : undefined,
    ...{ overdueSince: undefined, killed: false, ended: undefined },
  };
}
