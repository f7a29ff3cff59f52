import { BrokerError } from "../core/contract.ts";
import type { House } from "./connection.ts";
import { createDials } from "./dials.ts";
import type { ConnectionSource, ConnectionState, Observer, ObserverOptions, Watching } from "./observer.ts";
import { problemOf } from "./problems.ts";
import { createRounds, type Rounds } from "./rounds.ts";
import { createStalls } from "./stalls.ts";
import { lastReadOf, newWatched, observationOf, type Watched } from "./watched.ts";

/** The rounds of one key, and the newest source that named it: names and secrets are taken from that one. */
type Shared = { source: ConnectionSource; rounds: Rounds; left: () => void };

/**
 * Reads every trigger, one connection per key, and tells what is new. No failure of a broker, of a scaler or of a
 * listener ends it, delays another connection, or leaves a promise pending.
 */
export function createObserver(options: ObserverOptions): Observer {
  const { brokers, clock, random, onConnection, onRound, onFault } = options;
  const dials = createDials(clock, options.dialsPerSecond);
  const stalls = createStalls(clock);
  const shared = new Map<string, Shared>();
  const closing = new Set<Promise<void>>();
  let ids = 0;
  let disposed = false;

  const fault = createFaults(clock, onFault);
  /** A listener of ours that throws is a fault to tell of, and no reason to stop. */
  const guarded = (tell: () => void) => {
    try {
      tell();
    } catch (cause) {
      fault("telling of a connection", cause);
    }
  };

  const house: House = {
    clock,
    random,
    dials,
    stalls,
    deadlineMs: options.deadlineMs ?? 2000,
    dialDeadlineMs: options.dialDeadlineMs ?? 4000,
    coalesceMs: options.coalesceMs ?? 50,
    settingsCheckMs: options.settingsCheckMs ?? 20_000,
    everyRead: options.everyRead ?? false,
    fault,
  };

  const share = (source: ConnectionSource): Shared => {
    const present = shared.get(source.key);
    if (present !== undefined) {
      present.source = source;
      return present;
    }
    const broker = brokers.get(source.type);
    if (broker === undefined) throw new BrokerError({ kind: "missing", message: `there is no broker of type ${source.type}` });
    const named = { source };
    const made: Shared = Object.assign(named, {
      // A reload stops all triggers and starts them anew in one turn: the connection outlives that.
      left: () => {
        const { rounds } = made;
        if (rounds.size() === 0) setImmediate(() => rounds.size() === 0 && shared.get(made.source.key) === made && end(made));
      },
      rounds: createRounds(broker, () => named.source, {
        ...house,
        deadlineMs: options.deadlineMs ?? broker.answerMs ?? house.deadlineMs,
        nextId: () => ++ids,
        turned: () => guarded(() => onConnection?.(stateOf(made))),
        told: (report) => guarded(() => onRound?.(report)),
      }),
    });
    shared.set(source.key, made);
    return made;
  };

  const end = ({ source, rounds }: Shared) => {
    shared.delete(source.key);
    const done = rounds.close().finally(() => closing.delete(done));
    closing.add(done);
  };

  return {
    watch(watch, listener) {
      if (disposed) throw new Error("watching a trigger after the observer has ended");
      const mine = share(watch.connection);
      const { rounds } = mine;
      const watched = newWatched(watch, listener);
      rounds.add(watched);
      return new WatchedTrigger(watched, mine);
    },
    connections: () => [...shared.values()].map(stateOf),
    checkSettings() {
      for (const { rounds } of shared.values()) rounds.checkSettings();
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      for (const each of shared.values()) end(each);
      await Promise.all(closing);
      dials.stop();
      stalls.stop();
    },
  };
}

/** A class, because there may be ten thousand of them: closures for each would weigh as much as what they tell of. */
class WatchedTrigger implements Watching {
  private readonly watched: Watched;
  private readonly shared: Shared;

  constructor(watched: Watched, shared: Shared) {
    this.watched = watched;
    this.shared = shared;
  }

  get quiet() {
    const { watched, shared } = this;
    if (watched.watch.scaler.quiet === undefined) return undefined;
    return (worker: string, on: boolean) => shared.rounds.quiet(watched, worker, on);
  }

  observation() {
    return observationOf(this.watched);
  }

  readId() {
    return this.watched.readId;
  }

  lastRead() {
    return lastReadOf(this.watched);
  }

  refresh() {
    return this.shared.rounds.refresh(this.watched);
  }

  rest(resting: boolean) {
    this.shared.rounds.rest(this.watched, resting);
  }

  stop() {
    if (this.watched.stopped) return;
    this.shared.rounds.remove(this.watched);
    this.shared.left();
  }
}

const quietMs = 60_000;
const remembered = 100;

/** Ten thousand triggers that fail in the same way are one line a minute, not a flood. */
function createFaults(clock: () => number, onFault: ObserverOptions["onFault"]): House["fault"] {
  const toldAt = new Map<string, number>();
  return (doing, cause) => {
    const line = `${doing}: ${problemOf(cause).message}`;
    const now = clock();
    if (now - (toldAt.get(line) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    if (toldAt.size >= remembered) toldAt.clear();
    toldAt.set(line, now);
    onFault?.(doing, cause);
  };
}

function stateOf({ source, rounds }: Shared): ConnectionState {
  const problem = rounds.problem();
  const warning = rounds.warning();
  return {
    name: source.name,
    type: source.type,
    up: rounds.up(),
    ...(problem === undefined ? {} : { problem }),
    ...(warning === undefined ? {} : { warning }),
    triggers: rounds.size(),
    ...rounds.figures(),
  };
}
