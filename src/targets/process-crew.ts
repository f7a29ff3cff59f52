import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { redactor } from "../telemetry/redact.ts";
import { takeOver } from "./process-adopt.ts";
import { createStarter } from "./process-batch.ts";
import { createFailures } from "./process-failures.ts";
import { bootId, groupLivesWithoutLeader, processes } from "./process-identity.ts";
import { createProcessLogs } from "./process-logs.ts";
import type { Crew, ProcessTargetOptions } from "./process-options.ts";
import { createStateFile, type MemberRecord } from "./process-state.ts";
import { createStopper } from "./process-stop.ts";
import { dueAt, isWatched, type ProcessWorker, recordOf } from "./process-worker.ts";

/** Workers started in one turn of the event loop: each costs it some milliseconds, since spawn waits for the child's exec. */
const BATCH = 8;
/** How often those that are not our children are looked for. */
const POLL_MS = 500;

/** `changed` is called at most once a turn, after anything may have changed. */
export function createCrew(options: ProcessTargetOptions, changed: () => void): Crew {
  const { name: pool, spec, stateDir, clock, log, history, holdsJob } = options;
  const warn = (fields: object, message: string): void => log.warn({ pool, ...fields }, message);
  const boot = bootId();
  const logDir = join(stateDir, "logs");
  const logs = createProcessLogs({
    ...{ dir: logDir, pool, mode: spec.logs, output: options.output },
    redact: options.redact ?? redactor.redact,
  });
  const file = createStateFile(join(stateDir, "pools", `${pool}.json`), warn);
  const failures = createFailures({ clock, warn, lastLine: logs.lastLine });
  const starter = createStarter({ pool, spec, env: options.env, clock, logs, warn, failed });
  const { stopSignal, stopGraceMs } = spec;
  const stopper = createStopper({ pool, stopSignal, stopGraceMs, protect: () => options.protect, holdsJob, history });

  const workers = new Map<string, ProcessWorker>();
  const taken = takeOver({ pool, state: file.read(), boot, logDir, now: clock() });
  const { uid } = taken;
  let { wanted, changedAt } = taken;
  for (const worker of taken.workers) {
    workers.set(worker.id, worker);
    logs.follow(worker.id, "end");
    tell(worker, "adopted", `start ${worker.start}`);
  }
  let closed = false;
  let filling = false;
  let settling = false;
  let lookedAt = clock();
  let timer: NodeJS.Timeout | undefined;
  save();
  settle();

  function existing(): number {
    return [...workers.values()].filter((worker) => !worker.leaving).length;
  }

  function tell(worker: ProcessWorker, event: "started" | "adopted" | "exited", detail: string): void {
    history({ kind: "member", worker: pool, id: worker.id, pid: worker.pid, event, detail });
  }

  function save(starting: readonly MemberRecord[] = []): void {
    const members = [...[...workers.values()].map(recordOf), ...starting];
    if (!closed) file.save({ version: 1, uid, boot, wanted, changedAt, members });
  }

  /** After the events of this turn: stores, tells, and looks ahead. */
  function settle(): void {
    if (settling || closed) return;
    settling = true;
    setImmediate(() => {
      settling = false;
      if (closed) return;
      save();
      arm();
      changed();
    });
  }

  async function fill(): Promise<void> {
    if (filling) return; // it sees the new size by itself
    filling = true;
    try {
      for (let n = startable(); n > 0; n = startable()) {
        startBatch(Math.min(n, BATCH));
        if (n > BATCH) await nextTurn();
      }
    } finally {
      filling = false;
      settle();
    }
  }

  function startable(): number {
    return closed ? 0 : failures.startable(wanted - existing(), workers.values(), clock());
  }

  function startBatch(size: number): void {
    const started = starter.start(size, { step: failures.step(), others: [...workers.values()], store: save });
    for (const worker of started) {
      workers.set(worker.id, worker);
      logs.follow(worker.id, "begin");
      tell(worker, "started", `start ${worker.start}`);
      worker.child?.once("exit", (code, signal) => ended(worker, signal === null ? `code ${code}` : `signal ${signal}`));
    }
    failures.started(started, wanted - existing());
    if (started.length < size) failures.notStarted();
    save();
  }

  /** The process itself is gone. Its group may live on. */
  function ended(worker: ProcessWorker, how: string): void {
    if (closed || worker.ended !== undefined) return;
    worker.ended = how;
    if (!worker.leaving) failures.crashed(worker, how);
    if (groupLivesWithoutLeader(worker.pid)) {
      worker.leaving = true;
      stopper.outlived(worker, clock());
    } else gone(worker);
    void fill();
  }

  function gone(worker: ProcessWorker): void {
    workers.delete(worker.id);
    logs.finish(worker.id);
    tell(worker, "exited", worker.ended ?? "how is not known: it was not our child");
    settle();
  }

  function failed(message: string): void {
    failures.because(message);
    settle();
  }

  /** Of those that are not our children, and of groups whose leader is gone, nobody tells us the end. */
  function look(now: number): void {
    lookedAt = now;
    const strangers = [...workers.values()].filter((worker) => isWatched(worker) && worker.ended === undefined);
    const rows = new Map(processes(strangers.map(({ pid }) => pid)).map((row) => [row.pid, row]));
    for (const worker of strangers) {
      const row = rows.get(worker.pid);
      if (row === undefined || row.dead || row.start !== worker.start) ended(worker, "how is not known: it was not our child");
    }
    const rest = [...workers.values()].filter((worker) => worker.ended !== undefined);
    for (const worker of rest) if (!groupLivesWithoutLeader(worker.pid)) gone(worker);
  }

  function tick(): void {
    timer = undefined;
    const now = clock();
    if (now - lookedAt >= POLL_MS) look(now);
    for (const worker of workers.values()) {
      if (worker.checkAt !== undefined && now >= worker.checkAt) stopper.check(worker, now);
      failures.look(worker, now);
    }
    void fill();
  }

  /** One timer for all, at the next time at which anything can be due. */
  function arm(): void {
    clearTimeout(timer);
    const now = clock();
    const due = [...workers.values()].flatMap((worker) => [
      ...(isWatched(worker) ? [lookedAt + POLL_MS] : []),
      ...dueAt(worker, now),
      failures.steadyAt(worker),
    ]);
    // What may start now may have come to be so since the last try: the gate opens between two looks at the clock.
    if (wanted > existing()) due.push(startable() > 0 ? now : failures.opensAt(now));
    const next = Math.min(...due.filter((time) => time !== undefined));
    if (next < Number.POSITIVE_INFINITY) timer = setTimeout(tick, Math.max(5, Math.ceil(next - now)));
  }

  function stop(leaving: readonly ProcessWorker[]): void {
    const fresh = leaving.filter((worker) => !worker.leaving);
    for (const worker of fresh) worker.leaving = true;
    save(); // before the signals: killed in between, the next worktide knows who is to go
    const now = clock();
    for (const worker of fresh) stopper.stop(worker, now);
    settle();
  }

  return {
    uid,
    workers,
    wanted: () => wanted,
    changedAt: () => changedAt,
    trouble: () => failures.trouble() ?? stopper.trouble(workers.values()),
    resize: (size) => {
      if (size !== wanted) changedAt = clock();
      wanted = size;
      settle();
      return fill();
    },
    stop,
    killAll: () => {
      for (const worker of workers.values()) worker.leaving = true;
      save();
      for (const worker of workers.values()) stopper.kill(worker, "all are to go at once");
      settle();
    },
    close: (forget) => {
      if (!closed) save();
      closed = true;
      clearTimeout(timer);
      logs.close();
      for (const { child } of workers.values()) child?.unref();
      if (forget) file.remove();
    },
  };
}
