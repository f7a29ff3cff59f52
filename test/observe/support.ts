import type { TestContext } from "node:test";
import { z } from "zod";
import { type AnyScaler, type Broker, BrokerError, type Problem, type Result, type Session } from "../../src/core/contract.ts";
import { createObserver } from "../../src/observe/create-observer.ts";
import type {
  ConnectionSource,
  ConnectionState,
  Observed,
  ObserverOptions,
  RoundReport,
  Watch,
} from "../../src/observe/observer.ts";
import { patienceMs } from "../support/wait.ts";

const realImmediate = setImmediate;

/** Lets everything that waits only for promises go on. */
export const settle = () => new Promise<void>((resolve) => void realImmediate(resolve));

/** Time that passes only when it is told to, for timers and for the clock. */
export function standStill(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate", "Date"], now: 1_000_000 });
  return {
    clock: () => Date.now(),
    /** Passes time in small steps, with all that hangs on them in between. */
    async pass(ms: number, step = 5): Promise<void> {
      await settle();
      for (let left = ms; left >= 0; left -= step) {
        t.mock.timers.tick(left === 0 ? 0 : Math.min(step, left));
        await settle();
        if (left === 0) return;
        if (left < step) return;
      }
    },
    /** The process stands still: the time passes in one go, and then every timer is late. */
    async stall(ms: number): Promise<void> {
      t.mock.timers.tick(ms);
      await settle();
    },
  };
}

export type FakeClient = { readonly number: number; destroyed: boolean; closed: boolean; readonly settings: unknown };

/** A broker without a network. `refuses` and `mute` say how it meets the next dial. */
export function fakeBroker(type = "fake") {
  const clients: FakeClient[] = [];
  const losers = new Map<FakeClient, (problem: Problem) => void>();
  const state = { refuses: undefined as Problem | undefined, mute: false, closesNever: false };
  const dials: number[] = [];
  const lateSessions: (() => void)[] = [];
  const makeSession = (settings: unknown): Session<FakeClient> => {
    const client: FakeClient = { number: clients.length, destroyed: false, closed: false, settings };
    clients.push(client);
    const lost = Promise.withResolvers<Problem>();
    losers.set(client, lost.resolve);
    return {
      client,
      lost: lost.promise,
      destroy() {
        client.destroyed = true;
        lost.resolve({ kind: "unreachable", message: "destroyed" });
      },
      async [Symbol.asyncDispose]() {
        if (state.closesNever) await new Promise(() => {});
        client.closed = true;
      },
    };
  };
  const broker: Broker<FakeClient, Record<string, unknown>> = {
    type,
    summary: "a broker for tests",
    settings: z.object({}),
    address: () => "fake:1",
    async open(settings) {
      dials.push(Date.now());
      if (state.mute) {
        return new Promise((resolve) => lateSessions.push(() => resolve(makeSession(settings))));
      }
      if (state.refuses !== undefined) throw new BrokerError(state.refuses);
      return makeSession(settings);
    },
  };
  return {
    broker,
    state,
    clients,
    dials,
    lateSessions,
    live: () => clients.filter(({ destroyed, closed }) => !destroyed && !closed),
    lose(problem: Problem = { kind: "unreachable", message: "connection reset" }) {
      for (const client of clients) losers.get(client)?.(problem);
    },
  };
}

export type FakeQuery = Readonly<{ name: string }>;

/** A scaler whose numbers are set by hand. With `held`, answers wait until they are let go. */
export function fakeScaler(type = "fake") {
  const depths = new Map<string, number | Result>();
  const state = { held: false, throws: undefined as unknown };
  const reads: { readonly at: number; readonly names: readonly string[]; readonly client: FakeClient }[] = [];
  const hints = new Map<string, { readonly hint: () => void; readonly client: FakeClient; ended: boolean }>();
  const signals: AbortSignal[] = [];
  let waiting: (() => void)[] = [];
  const resultOf = (name: string): Result => {
    const depth = depths.get(name) ?? 0;
    return typeof depth === "number" ? { reading: { waiting: depth, running: 0, sampledAt: Date.now() } } : depth;
  };
  const scaler = {
    type,
    summary: "a scaler for tests",
    broker: "fake",
    query: z.object({ name: z.string() }),
    everyMs: 1000,
    sight: () => ({ running: true, workers: false }),
    async read(client: FakeClient, queries: readonly FakeQuery[], signal: AbortSignal): Promise<readonly Result[]> {
      reads.push({ at: Date.now(), names: queries.map(({ name }) => name), client });
      signals.push(signal);
      const results = queries.map(({ name }) => resultOf(name));
      if (state.throws !== undefined) throw state.throws;
      if (state.held) await new Promise<void>((resolve) => waiting.push(resolve));
      return results;
    },
    wake(client: FakeClient, { name }: FakeQuery, hint: () => void) {
      const armed = { hint, client, ended: false };
      hints.set(name, armed);
      return {
        [Symbol.dispose]() {
          armed.ended = true;
        },
      };
    },
    async quiet(_client: FakeClient, _query: FakeQuery, worker: string) {
      if (worker === "mute") await new Promise(() => {});
      if (worker === "odd") throw new Error("odd");
    },
  } satisfies AnyScaler;
  return {
    scaler: scaler as AnyScaler,
    depths,
    state,
    reads,
    hints,
    signals,
    hint(name: string) {
      hints.get(name)?.hint();
    },
    letGo() {
      const go = waiting;
      waiting = [];
      for (const resolve of go) resolve();
    },
  };
}

/** An observer over fakes, with everything that it tells kept. */
export function fakeHouse(t: TestContext, options: Partial<ObserverOptions> = {}) {
  const time = standStill(t);
  const fake = fakeBroker();
  const scaling = fakeScaler();
  const states: ConnectionState[] = [];
  const rounds: RoundReport[] = [];
  const faults: string[] = [];
  const observer = createObserver({
    brokers: new Map([["fake", fake.broker]]),
    clock: time.clock,
    random: () => 1.5, // beyond what a random number is: rounds then come at their very interval
    onConnection: (state) => void states.push(state),
    onRound: (report) => void rounds.push(report),
    onFault: (doing, cause) => void faults.push(`${doing}: ${String(cause)}`),
    ...options,
  });
  const secret = { value: "one" as unknown };
  const source = (key = "a"): ConnectionSource => ({
    name: key,
    type: "fake",
    key,
    settings: async () => {
      if (secret.value instanceof Error) throw secret.value;
      return { password: secret.value };
    },
  });
  const watch = (name: string, more: Partial<Watch> & { key?: string } = {}) => {
    const { key, ...rest } = more;
    const seen: Observed[] = [];
    const watching = observer.watch(
      { scaler: scaling.scaler, query: { name }, connection: source(key), intervalMs: 1000, ...rest },
      (observed) => void seen.push(observed),
    );
    return { watching, seen, last: () => seen.at(-1) };
  };
  t.after(async () => {
    fake.state.closesNever = false;
    const done = observer[Symbol.asyncDispose]();
    await time.pass(3000, 500);
    await done;
  });
  return { time, fake, scaling, states, rounds, faults, observer, watch, secret, source };
}

/** Waits until it holds, looking every few ms. */
export async function until(holds: () => boolean | Promise<boolean>, ms = patienceMs): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
