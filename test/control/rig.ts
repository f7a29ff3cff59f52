import type { TestContext } from "node:test";
import { celery } from "../../scalers/celery.ts";
import type { LoopHouse, WatchedTrigger } from "../../src/control/worker-loop.ts";
import type { Observation, Reading, Worker } from "../../src/core/contract.ts";
import type { Decision } from "../../src/core/decision.ts";
import type { Member, Pool, Rules } from "../../src/core/spec.ts";
import type { Observed, Watch, Watching } from "../../src/observe/observer.ts";
import type { Applied, Change, Target } from "../../src/targets/target.ts";
import type { HistoryInput } from "../../src/telemetry/history.ts";
import { free } from "../core/situation.ts";

/** Time that only the test moves: timers fire as it passes. */
export function fakeTime(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 1_000_000;
  const settle = () => new Promise<void>((done) => setImmediate(done));
  return {
    now: () => now,
    settle,
    /** Lets so many ms pass, and all that follows from it happen. */
    async pass(ms: number): Promise<void> {
      for (const end = now + ms; now < end; ) {
        const step = Math.min(50, end - now);
        now += step;
        t.mock.timers.tick(step);
        await settle();
      }
    },
  };
}

export type Time = ReturnType<typeof fakeTime>;

export const member = (id: string, changes: Partial<Member> = {}): Member => ({
  id,
  ready: true,
  leaving: false,
  startedAt: 0,
  ...changes,
});

/** A target that does what it is told at once, unless the test says how. */
export function fakeTarget(time: Time, members: readonly Member[] = []) {
  const listeners = new Set<() => void>();
  const changes: Change[] = [];
  let staying = [...members];
  let wanted = staying.length;
  let changedAt = 0;
  let started = 0;
  let ended = false;
  const target: Target & { how?: (change: Change, signal: AbortSignal) => Promise<Applied | undefined> } = {
    title: "fake",
    pool: (): Pool => ({
      uid: "u1",
      wanted,
      existing: staying.length,
      ready: staying.length,
      leaving: 0,
      changedAt,
      members: staying,
    }),
    trouble: () => undefined,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async apply(change, signal) {
      changes.push(change);
      const applied = await target.how?.(change, signal);
      if (applied !== undefined) return applied;
      const { to, remove } = change;
      staying = remove ? staying.filter(({ id }) => !remove.includes(id)) : staying.slice(0, to);
      while (staying.length < to) staying.push(member(`new-${++started}`, { startedAt: time.now() }));
      wanted = to;
      changedAt = time.now();
      for (const listener of listeners) listener();
      return { size: to };
    },
    async [Symbol.asyncDispose]() {
      ended = true;
    },
  };
  return { target, changes, size: () => wanted, ended: () => ended, listeners };
}

export const idle = (id: string, changes: Partial<Worker> = {}): Worker => ({ id, busy: 0, seenAt: 0, ...changes });
export const busy = (id: string): Worker => idle(id, { busy: 1 });

/** A source of readings that the test speaks for. */
export function fakeWatching(time: Time, quiets = false) {
  const listeners = new Set<(seen: Observed) => void>();
  const told: string[] = [];
  /** Whether the pool was at zero, change by change. */
  const rests: boolean[] = [];
  let observation: Observation = {};
  let reads = 0;
  let readAt = 0;
  let watched = 0;
  let stopped = 0;
  /** What each refresh brings; nothing: the same as before, read anew. */
  const refreshes: (() => Partial<Reading> | undefined)[] = [];
  let refused = new Set<string>();
  let last: Partial<Reading> = {};
  const take = (fields: Partial<Reading>, changed: boolean, ageMs = 0) => {
    last = fields;
    reads += 1;
    const at = time.now() - ageMs;
    readAt = at;
    observation = { reading: { waiting: 0, running: 0, epoch: "e1", sampledAt: at, ...fields }, sentAt: at };
    for (const listener of listeners) listener({ observation, readId: reads, sentAt: at, receivedAt: at, changed });
  };
  return {
    told,
    rests,
    refreshes,
    watched: () => watched,
    stopped: () => stopped,
    refuse: (...ids: readonly string[]) => {
      refused = new Set(ids);
    },
    /** A new reading, of so long ago. */
    read: (fields: Partial<Reading>, changed = true, ageMs = 0) => take(fields, changed, ageMs),
    fail: () => {
      readAt = time.now();
      observation = {
        ...observation,
        failure: { problem: { kind: "timeout", message: "timed out" }, since: time.now(), count: 1 },
      };
      for (const listener of listeners)
        listener({ observation, readId: ++reads, sentAt: time.now(), receivedAt: time.now(), changed: true });
    },
    watch(_watch: Watch, listener: (seen: Observed) => void): Watching {
      watched += 1;
      listeners.add(listener);
      return {
        observation: () => observation,
        readId: () => (reads === 0 ? null : reads),
        lastRead: () => (reads === 0 ? undefined : { readId: reads, sentAt: readAt, receivedAt: readAt }),
        async refresh() {
          take(refreshes.shift()?.() ?? last, false);
          return observation;
        },
        quiet: quiets
          ? async (id: string, on: boolean) => {
              if (on && refused.has(id)) throw new Error(`${id} does not answer`);
              told.push(`${on ? "quiet" : "work"} ${id}`);
            }
          : undefined,
        rest(on: boolean) {
          if (rests.at(-1) !== on) rests.push(on);
        },
        stop() {
          stopped += 1;
          listeners.delete(listener);
        },
      };
    },
  };
}

export const trigger = (queue = "mails"): WatchedTrigger => ({
  name: queue,
  watch: {
    scaler: celery,
    query: { queues: [queue] },
    intervalMs: 1000,
    connection: { name: "main", type: "redis", key: "k", settings: async () => ({}) },
  },
});

/** One job for each worker; down at once; any may go unless `protect` says otherwise. */
export const rulesOf = (changes: Partial<Rules> = {}): Rules => ({
  generation: 1,
  replicas: { min: 0, max: 10, idle: 0 },
  triggers: [{ name: "mails", goal: { kind: "jobsPerReplica", jobs: 1 }, activation: 0, intervalMs: 1000 }],
  concurrency: 1,
  scaleDown: { protect: "grace", cooldownMs: 0 },
  behavior: { scaleUp: free, scaleDown: free },
  staleAfterMs: 60_000,
  mode: "Scale",
  ...changes,
});

/** What a loop tells, kept. */
export function fakeHouse(time: Time, watch: LoopHouse["watch"], mayAct: LoopHouse["mayAct"] = () => true) {
  const history: HistoryInput[] = [];
  const decisions: Decision[] = [];
  const failures: string[] = [];
  let numbered = 0;
  const house: LoopHouse = {
    mayAct,
    now: time.now,
    watch,
    history: (line) => void history.push(line),
    inFull: false,
    nextDecision: () => ++numbered,
    observed: () => {},
    scaled: () => {},
    decided: (_, decision) => void decisions.push(decision),
    failed: (doing) => void failures.push(doing),
  };
  return { house, history, decisions, failures };
}
