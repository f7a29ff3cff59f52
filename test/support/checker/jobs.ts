import { type History, poolOf, type WriteLine } from "./history.ts";
import type { JobLine, Violation } from "./lines.ts";

/** One run of one job: from its start to its end, or without one. */
type JobRun = Readonly<{ start: JobLine; end?: JobLine }>;

/** Every run of every job, in the order of their starts. */
export function jobRuns(history: History): JobRun[] {
  const ends = new Map<string, JobLine[]>();
  for (const end of history.of("job.end"))
    ends.set(`${end.worker} ${end.job}`, [...(ends.get(`${end.worker} ${end.job}`) ?? []), end]);
  return history.of("job.start").map((start) => {
    const end = ends.get(`${start.worker} ${start.job}`)?.find(({ t }) => t >= start.t);
    return end === undefined ? { start } : { start, end };
  });
}

/** How many times jobs began again after their first start. */
export function duplicates(history: History): number {
  const starts = history.of("job.start");
  return starts.length - new Set(starts.map(({ job, worker }) => `${poolOf(worker)} ${job}`)).size;
}

/** When we first told each member to stop, by its id. */
function signals(history: History): Map<string, number> {
  const told = new Map<string, number>();
  for (const line of history.of("member")) {
    if ((line.event === "signalled" || line.event === "killed") && !told.has(line.id)) told.set(line.id, line.t);
  }
  return told;
}

/**
 * I3. Never below busy. A lowering leaves at least as many replicas as worked on a job at that time, and takes nobody
 * away who did. Evidence is what the newest reading before the write must have shown: jobs that had begun before that
 * question was sent and went on until the write ended, by the workers' own journals; and the counts of the reading.
 */
export function neverBelowBusy(history: History): Violation[] {
  const told = signals(history);
  const runs = jobRuns(history);
  return history.workers.flatMap(([worker]) =>
    history.writes(worker).flatMap((write) => {
      const rules = history.rulesOf(worker, history.decision(write));
      if (write.to >= write.from || rules === undefined || rules.scaleDown.protect !== "busy") return [];
      const evidenceAt = newestEvidence(history, worker, write);
      const there = presentAt(history, worker, write);
      const busy = new Set(
        runs
          .filter(({ start, end }) => start.t < evidenceAt && (end?.t ?? Number.POSITIVE_INFINITY) > write.endedAt)
          .map(({ start }) => start.worker)
          .filter((member) => poolOf(member) === worker && there(member)),
      );
      const staying = [...busy].filter((member) => (told.get(member) ?? Number.POSITIVE_INFINITY) > write.sentAt);
      const taken = staying.filter((member) => (told.get(member) ?? Number.POSITIVE_INFINITY) <= write.endedAt);
      if (taken.length > 0)
        return [
          {
            invariant: "I3",
            t: write.t,
            message: `${worker} stopped ${taken.join(", ")} with a job in hand`,
            lines: [write],
          },
        ];
      const floor = Math.max(staying.length, countedFloor(history, worker, write, rules.concurrency));
      if (write.to >= floor) return [];
      return [
        {
          invariant: "I3",
          t: write.t,
          message: `${worker} went to ${write.to} while ${floor} were busy`,
          lines: [write],
        },
      ];
    }),
  );
}

/** Tells who is still there when a write is sent: whoever was killed by others has its job in hand no more. */
function presentAt(history: History, worker: string, write: WriteLine): (member: string) => boolean {
  const alive = history.of("obs").findLast((obs) => obs.worker === worker && obs.t <= write.sentAt)?.alive;
  const exited = new Set(
    history.of("member").flatMap((line) => (line.event === "exited" && line.t <= write.sentAt ? [line.id] : [])),
  );
  return (member) => (alive === undefined || alive.includes(member)) && !exited.has(member);
}

/** The time of the oldest among the newest values of each trigger before the write: all of them had to be looked at. */
function newestEvidence(history: History, worker: string, write: WriteLine): number {
  const triggers = Object.keys(history.plan.workers[worker]?.connections ?? {});
  const newest = triggers.map(
    (trigger) => history.reads(worker, trigger).findLast((read) => read.receivedAt < write.endedAt)?.sentAt ?? 0,
  );
  return Math.min(...newest);
}

/**
 * Replicas that the newest readings show as busy: the workers that they name, and where they name none, as many as the
 * running jobs need, less those that are leaving with theirs.
 */
function countedFloor(history: History, worker: string, write: WriteLine, concurrency: number): number {
  const triggers = Object.keys(history.plan.workers[worker]?.connections ?? {});
  const obs = history.of("obs").findLast((line) => line.worker === worker && line.t <= write.sentAt);
  const there = presentAt(history, worker, write);
  const named = new Set<string>();
  let unnamed = 0;
  for (const trigger of triggers) {
    const newest = history.reads(worker, trigger).findLast((read) => read.receivedAt < write.endedAt);
    if (newest === undefined || !("reading" in newest.result)) continue;
    const { running = 0, workers } = newest.result.reading;
    if (workers === undefined) unnamed += running;
    for (const one of workers ?? []) if (one.busy > 0 && there(one.id)) named.add(one.id);
  }
  const staying = [...named].filter((id) => !obs?.leaving.includes(id)).length;
  return unnamed === 0 ? staying : Math.max(staying, Math.ceil(unnamed / concurrency) - (obs?.leaving.length ?? 0));
}

/**
 * I4. No job lost by us: a job whose worker we told to stop came to its end. A worker that someone else killed first,
 * and one that is still finishing when the history ends, are not our doing.
 */
export function noJobLost(history: History): Violation[] {
  const told = signals(history);
  const runs = jobRuns(history);
  const gone = new Map<string, number>();
  for (const line of history.of("member")) if (line.event === "exited") gone.set(line.id, line.t);
  for (const [id, signalledAt] of told) {
    const later = history
      .of("obs")
      .find((line) => line.worker === poolOf(id) && line.t > signalledAt && !line.alive.includes(id));
    if (!gone.has(id) && later !== undefined) gone.set(id, later.t);
  }
  const lost = runs.flatMap(({ start, end }) => {
    const signalledAt = told.get(start.worker);
    const goneAt = gone.get(start.worker);
    if (end !== undefined || signalledAt === undefined || goneAt === undefined) return [];
    // Another one may have killed it: it, or whomever of its pool.
    const byOthers = history.faults.some(({ line, from, to }) => {
      if (line.member !== undefined) return line.member === start.worker && from <= goneAt && from >= start.t;
      return line.worker === poolOf(start.worker) && from <= goneAt && goneAt <= to;
    });
    if (byOthers || start.t > goneAt) return [];
    return [
      {
        invariant: "I4",
        t: goneAt,
        message: `job ${start.job} was lost with ${start.worker}, which we had stopped`,
        lines: [start],
      },
    ];
  });
  const again = duplicates(history);
  if (history.constants.duplicates === "count" || again === 0) return lost;
  return [
    ...lost,
    {
      invariant: "I4",
      t: history.end,
      message: `${again} jobs began twice`,
      lines: [],
    },
  ];
}
