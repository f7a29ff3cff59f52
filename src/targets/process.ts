import { commandText } from "../api/redact.ts";
import type { Pool } from "../core/spec.ts";
import { createCrew } from "./process-crew.ts";
import type { ProcessTargetOptions } from "./process-options.ts";
import { count } from "./process-stop.ts";
import { memberOf, type ProcessWorker } from "./process-worker.ts";
import type { Applied, Change, Target } from "./target.ts";

export interface ProcessTarget extends Target {
  pool(): Pool;
  /** Leaves the workers running and the state file in place: the next worktide takes them over. */
  abandon(): void;
  /** SIGKILL to every worker and its children, a job in hand or not. Resolves when they are gone. */
  killAll(): Promise<void>;
}

/**
 * A pool of local processes. Takes over those of an earlier worktide first. Every worker stays in the state file from before its
 * start until it is gone. Disposing stops all of them gracefully and waits for jobs in hand, however long they take.
 */
export async function createProcessTarget(options: ProcessTargetOptions): Promise<ProcessTarget> {
  const { name, spec, clock, log, history, holdsJob } = options;
  const listeners = new Set<() => void>();
  let closing = false;
  let abandoned = false;
  let seen = "";
  let toldTrouble: string | undefined;
  let whenEmpty: PromiseWithResolvers<void> | undefined;
  const crew = createCrew(options, changed);

  function changed(): void {
    tellTrouble();
    if (closing) progress();
    const now = JSON.stringify([pool(), crew.trouble()]);
    if (now === seen) return;
    seen = now;
    for (const listener of listeners) {
      try {
        listener();
      } catch (cause) {
        log.warn({ pool: name, error: cause instanceof Error ? cause.message : String(cause) }, "listener of the pool failed");
      }
    }
  }

  function tellTrouble(): void {
    const trouble = crew.trouble();
    if (trouble?.reason === toldTrouble) return;
    toldTrouble = trouble?.reason;
    if (trouble === undefined) log.info({ pool: name }, "workers are well again");
    else log.warn({ pool: name, reason: trouble.reason }, trouble.message);
    if (trouble !== undefined) history({ kind: "trouble", worker: name, reason: trouble.reason, message: trouble.message });
  }

  let progressed = "";
  function progress(): void {
    const ids = [...crew.workers.keys()];
    if (ids.length === 0) {
      whenEmpty?.resolve();
      return;
    }
    const hands = ids.map((id) => holdsJob(id));
    const busy = hands.filter((holds) => holds === true).length;
    const unknown = hands.filter((holds) => holds === undefined).length;
    const known = unknown === ids.length ? [] : [`${busy} with a job in hand`];
    const parts = [...known, ...(unknown > 0 ? [`of ${unknown} it is not known whether a job is in hand`] : [])];
    const text = `waiting for ${count(ids.length)}, ${parts.join(", ")}`;
    if (text === progressed) return;
    progressed = text;
    log.info({ pool: name, workers: ids.length, busy, ...(unknown > 0 && { unknown }) }, text);
  }

  function pool(): Pool {
    const now = clock();
    const members = [...crew.workers.values()].map((worker) => memberOf(worker, now));
    const staying = members.filter((member) => !member.leaving);
    return {
      uid: crew.uid,
      wanted: crew.wanted(),
      existing: staying.length,
      ready: staying.filter((member) => member.ready).length,
      leaving: members.length - staying.length,
      changedAt: crew.changedAt(),
      members,
      graceMs: spec.stopGraceMs,
    };
  }

  async function apply({ from, to, remove }: Change, signal: AbortSignal): Promise<Applied> {
    signal.throwIfAborted();
    const wanted = crew.wanted();
    if (closing) return { size: wanted, note: "all workers are being stopped" };
    if (to >= wanted) {
      await crew.resize(to);
      return applied(to);
    }
    const staying = [...crew.workers.values()].filter((worker) => !worker.leaving);
    const drop = Math.min(wanted - to, Math.max(0, from - to));
    // Those that ended by themselves and wait to be started again hold no job: they go first.
    const absent = Math.min(drop, Math.max(0, wanted - staying.length));
    const victims = choose(staying, remove).slice(0, drop - absent);
    const size = wanted - absent - victims.length;
    const resized = crew.resize(size); // first: what stops now is not to be replaced
    crew.stop(victims);
    await resized;
    return applied(size, size > to ? `${to} asked for, ${size} kept: no more could be removed` : undefined);
  }

  /** In the order given; else those known to hold no job first, of them the newest. */
  function choose(staying: readonly ProcessWorker[], remove: readonly string[] | undefined): readonly ProcessWorker[] {
    if (remove !== undefined) return [...new Set(remove)].flatMap((id) => staying.find((worker) => worker.id === id) ?? []);
    const idle = new Set(staying.filter((worker) => holdsJob(worker.id) === false));
    return staying.toSorted((a, b) => Number(idle.has(b)) - Number(idle.has(a)) || b.startedAt - a.startedAt || b.slot - a.slot);
  }

  function applied(size: number, note: string | undefined = crew.trouble()?.message): Applied {
    return note === undefined ? { size } : { size, note };
  }

  /** Starts nothing more, lets `end` tell the workers to go, and resolves when the last of them is gone. */
  async function finish(end: () => void): Promise<void> {
    if (abandoned) return;
    closing = true;
    void crew.resize(0);
    end();
    whenEmpty ??= Promise.withResolvers();
    changed();
    // Who holds a job is asked anew each second: its answer changes without an event of ours.
    const again = setInterval(progress, 1000);
    await whenEmpty.promise;
    clearInterval(again);
    crew.close(!abandoned);
  }

  return {
    title: `process ${commandText(spec.command, 72)}`,
    pool,
    trouble: crew.trouble,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    apply,
    abandon: () => {
      abandoned = true;
      closing = true;
      crew.close(false);
      whenEmpty?.resolve();
    },
    killAll: () => finish(crew.killAll),
    [Symbol.asyncDispose]: () => finish(() => crew.stop([...crew.workers.values()])),
  };
}
