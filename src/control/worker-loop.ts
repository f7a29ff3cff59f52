import type { Observation } from "../core/contract.ts";
import { decide, recordScale } from "../core/decide.ts";
import type { Decision, Situation } from "../core/decision.ts";
import { emptyMemory, type Memory } from "../core/memory.ts";
import type { Rules } from "../core/spec.ts";
import type { Observed, Watch, Watching } from "../observe/observer.ts";
import type { Applied, Target } from "../targets/target.ts";
import type { HistoryInput } from "../telemetry/history.ts";
import { shrink } from "./shrink.ts";
import { createStrays } from "./strays.ts";

/** One trigger of a ScaledWorker, ready to be read. */
export type WatchedTrigger = Readonly<{ name: string; watch: Watch }>;

/** What one loop works with and tells to. `now` is monotonic, ms. */
export type LoopHouse = Readonly<{
  now: () => number;
  watch: (watch: Watch, listener: (observed: Observed) => void) => Watching;
  history: (line: HistoryInput) => void;
  /** Whether reads that changed nothing go to history too, or only those that a decision is made from. */
  everyRead: boolean;
  /** After each read of a trigger. */
  observed: (trigger: WatchedTrigger, observed: Observed) => void;
  /** A size was applied: for logs and metrics. `wokenAt` when a wake-up led to it. */
  scaled: (change: Readonly<{ decision: Decision; applied: Applied; wokenAt?: number; at: number }>) => void;
  /** A decision that differs from the one before. */
  decided: (decision: Decision) => void;
  failed: (doing: string, cause: unknown) => void;
}>;

/** One ScaledWorker under control. */
export interface WorkerLoop {
  readonly target: Target;
  /** Those in force. */
  rules(): Rules;
  /** What `decide` would see now: explain and dry run use the same. Undefined: the pool is not known yet. */
  situation(): Situation | undefined;
  decision(): Decision | undefined;
  observations(): readonly Observation[];
  /** New rules or triggers; memory is kept. */
  update(rules: Rules, triggers: readonly WatchedTrigger[]): void;
  /** Stops deciding. Whatever is under way is awaited; the target is left as it is, and its triggers are read on. */
  stop(): Promise<void>;
  /** Stops reading too: nobody asks any more who has a job in hand. */
  release(): void;
}

/** Longest delay that a timer of Node can hold; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** After a change that came to nothing, the next try waits so long, ms. */
const retryMs = 1000;

/**
 * The loop of one ScaledWorker: a reading, the pool, the rules changed, or a deadline passed → decide → apply.
 * At most one change is under way; what happens meanwhile is decided on right after it.
 */
export function createWorkerLoop(
  worker: string,
  target: Target,
  rules: Rules,
  triggers: readonly WatchedTrigger[],
  house: LoopHouse,
): WorkerLoop {
  let present = { rules, triggers };
  let watchings: readonly Watching[] = [];
  /** The read of each trigger that is in history already, or that is another watch's. */
  let noted: (number | null)[] = [];
  let memory: Memory = emptyMemory;
  let last: Readonly<{ decision: Decision; id: string }> | undefined;
  let decisions = 0;
  let queued = false;
  let stopped = false;
  let wokenAt: number | undefined;
  let deadline: NodeJS.Timeout | undefined;
  /** No change of that direction before this: the last one came to nothing. */
  const notBefore = { up: 0, down: 0 };
  let underway: Readonly<{ done: Promise<void>; raise: AbortController; to: number }> | undefined;

  const watchAll = () => {
    const old = watchings;
    watchings = present.triggers.map((trigger, index) => house.watch(trigger.watch, (seen) => observed(trigger, index, seen)));
    noted = watchings.map((watching) => watching.readId());
    for (const watching of old) watching.stop();
  };

  /** Several readings of one batch, or a reading and a pool change, make one turn. */
  const ask = () => {
    if (queued || stopped) return;
    queued = true;
    queueMicrotask(() => {
      queued = false;
      if (!stopped) turn();
    });
  };

  function observed(trigger: WatchedTrigger, index: number, seen: Observed): void {
    const { changed, wokenAt: woken } = seen;
    if (changed || house.everyRead) note(trigger, index);
    house.observed(trigger, seen);
    if (!changed) return;
    if (woken !== undefined && wokenAt === undefined) wokenAt = woken;
    ask();
  }

  function note({ name, watch }: WatchedTrigger, index: number): void {
    const watching = watchings[index];
    const read = watching?.lastRead();
    if (watching === undefined || read === undefined || read.readId === noted[index]) return;
    const { readId: id, sentAt, receivedAt, wokenAt } = read;
    noted[index] = id;
    const { reading, failure } = watching.observation();
    const result = failure === undefined && reading !== undefined ? { reading } : failure && { problem: failure.problem };
    if (result === undefined) return;
    const connection = watch.connection.name;
    house.history({
      kind: "read",
      worker,
      id,
      trigger: name,
      connection,
      sentAt,
      receivedAt,
      woken: wokenAt !== undefined,
      result,
    });
  }

  const observations = () => watchings.map((watching) => watching.observation());

  const situation = (): Situation | undefined => {
    const pool = target.pool();
    if (pool === undefined) return undefined;
    return { rules: present.rules, pool, observations: observations(), memory, now: house.now() };
  };

  function turn(): void {
    const seen = situation();
    if (seen === undefined) return;
    const { decision, memory: next } = decide(seen);
    memory = next;
    remember(decision, seen);
    const again = notBefore[decision.to < decision.from ? "down" : "up"];
    const waiting = decision.to !== decision.from && again > seen.now;
    armDeadline(waiting ? Math.min(again, decision.nextAt ?? again) : decision.nextAt);
    if (!waiting) act(decision);
    if (underway === undefined) strays.look(seen.pool, seen.observations, watchings);
  }

  function remember(decision: Decision, seen: Situation): void {
    if (last !== undefined && same(last.decision, decision)) {
      last = { decision, id: last.id };
      return;
    }
    last = { decision, id: tell(decision, seen) };
    house.decided(decision);
  }

  /** Puts a decision into history, behind the reads that it was made from; answers its id. */
  function tell(decision: Decision, { pool, rules: { generation } }: Situation): string {
    const id = `${worker}#${++decisions}`;
    present.triggers.forEach(note);
    const reads = watchings.map((watching) => watching.readId());
    house.history({ kind: "decide", worker, id, uid: pool.uid, generation, reads, decision });
    return id;
  }

  function armDeadline(at: number | undefined): void {
    clearTimeout(deadline);
    if (at === undefined) return;
    deadline = setTimeout(ask, Math.min(longestTimerMs, Math.max(1, Math.ceil(at - house.now()))));
    deadline.unref();
  }

  function act(decision: Decision): void {
    if (present.rules.mode === "Observe") return;
    if (underway !== undefined) {
      if (decision.to > underway.to) underway.raise.abort();
      return;
    }
    if (decision.to === decision.from) {
      wokenAt = undefined;
      return;
    }
    const raise = new AbortController();
    const done = apply(decision, raise.signal).finally(() => {
      underway = undefined;
      ask();
    });
    underway = { done, raise, to: decision.to };
  }

  async function apply(decision: Decision, signal: AbortSignal): Promise<void> {
    let id = last?.id ?? "";
    const direction = decision.to < decision.from ? "down" : "up";
    const sentAt = house.now();
    const woken = wokenAt;
    wokenAt = undefined;
    const written = (outcome: "ok" | "failed", to: number, note?: string) =>
      house.history({
        kind: "write",
        worker,
        decision: id,
        from: decision.from,
        to,
        sentAt,
        endedAt: house.now(),
        outcome,
        ...(note === undefined ? {} : { note }),
      });
    try {
      const applied = await (decision.to > decision.from
        ? target.apply({ from: decision.from, to: decision.to, decision: id }, signal)
        : shrink(
            {
              decision,
              target,
              watchings,
              decideAgain,
              told,
              // What is done follows from the second look: the write cites that one.
              act: (again) => {
                const seen = situation();
                if (seen !== undefined) id = tell(again, seen);
                return id;
              },
            },
            signal,
          ));
      if (applied.size === decision.from) {
        notBefore[direction] = house.now() + retryMs;
        return;
      }
      const at = house.now();
      memory = recordScale(memory, decision.from, applied.size, at);
      written("ok", applied.size, applied.note);
      house.scaled({ decision, applied, at, ...(woken === undefined ? {} : { wokenAt: woken }) });
    } catch (cause) {
      notBefore[direction] = house.now() + retryMs;
      written("failed", decision.to, cause instanceof Error ? cause.message : String(cause));
      house.failed(`scaling ${worker} from ${decision.from} to ${decision.to}`, cause);
    }
  }

  const decideAgain = (fresh: readonly Observation[]): Decision | undefined => {
    const seen = situation();
    return seen === undefined ? undefined : decide({ ...seen, observations: fresh }).decision;
  };

  const told = (id: string, event: "quieted" | "unquieted", detail?: string) =>
    house.history({ kind: "member", worker, id, event, ...(detail === undefined ? {} : { detail }) });

  const strays = createStrays(told);
  const unsubscribe = target.onChange(ask);
  watchAll();
  ask();

  return {
    target,
    rules: () => present.rules,
    situation,
    decision: () => last?.decision,
    observations,
    update(nextRules, nextTriggers) {
      const same = sameWatches(present.triggers, nextTriggers);
      present = { rules: nextRules, triggers: same ? present.triggers : nextTriggers };
      if (!same) watchAll();
      ask();
    },
    async stop() {
      stopped = true;
      clearTimeout(deadline);
      unsubscribe();
      underway?.raise.abort();
      await underway?.done;
    },
    release() {
      for (const watching of watchings) watching.stop();
    },
  };
}

/** Whether two decisions say the same, but for numbers that move with the clock. */
function same(a: Decision, b: Decision): boolean {
  return a.from === b.from && a.to === b.to && a.rule === b.rule && a.reason === b.reason;
}

/** Whether the same queues are read in the same way: then what is known of them is still known. */
function sameWatches(a: readonly WatchedTrigger[], b: readonly WatchedTrigger[]): boolean {
  const text = (triggers: readonly WatchedTrigger[]) =>
    JSON.stringify(
      triggers.map(({ name, watch }) => [name, watch.scaler.type, watch.query, watch.connection.key, watch.intervalMs]),
    );
  return text(a) === text(b);
}
