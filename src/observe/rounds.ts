import { type AnyBroker, BrokerError, type Observation, type Problem, type ProblemKind } from "../core/contract.ts";
import { createAsks } from "./asks.ts";
import { bounded } from "./bounded.ts";
import { createConnection } from "./connection.ts";
import { type Batch, batchesOf, createGroups } from "./groups.ts";
import type { ConnectionSource, RoundReport } from "./observer.ts";
import { problemOf } from "./problems.ts";
import { createReads, type ReadsHouse } from "./reads.ts";
import { createTwins } from "./twins.ts";
import { type Answered, answerAll, disarm, inherit, observationOf, takeProblem, type Watched } from "./watched.ts";

export type RoundsHouse = ReadsHouse &
  Readonly<{
    /** The connection came up, went down, or fails for another reason than before. */
    turned: () => void;
    told: (report: RoundReport) => void;
  }>;

/** Everything that is read over one connection. */
export interface Rounds {
  add(watched: Watched): void;
  remove(watched: Watched): void;
  refresh(watched: Watched): Promise<Observation>;
  /** See Watching.rest. */
  rest(watched: Watched, resting: boolean): void;
  quiet(watched: Watched, worker: string, on: boolean): Promise<void>;
  size(): number;
  up(): boolean;
  problem(): (Problem & { since: number }) | undefined;
  warning(): string | undefined;
  /** See Observer.checkSettings. */
  checkSettings(): void;
  figures(): Readonly<{ rounds: number; lastRoundMs?: number; lastRoundAt?: number }>;
  close(): Promise<void>;
}

const quietMs = 5_000;

export function createRounds(broker: AnyBroker, source: () => ConnectionSource, house: RoundsHouse): Rounds {
  const { clock, stalls, nextId, everyRead, fault } = house;
  let rounds = 0;
  let last: { lastRoundMs?: number; lastRoundAt?: number } = {};

  const read = (batches: readonly Batch[]) => {
    const link = connection.link();
    if (link === undefined) return notRead(batches);
    stalls.tick();
    const sentAt = clock();
    rounds += 1;
    let left = batches.length;
    for (const batch of batches) {
      const free = withoutReading(batch);
      if (free.watched.length === 0) left -= 1;
      else {
        const woken = free.watched.some(({ hintedAt }) => hintedAt !== undefined);
        void send(link, free).then((outcome) => {
          const ms = clock() - sentAt;
          if (woken) asks.spent(ms, free.watched.length);
          left -= 1;
          if (left === 0) last = { lastRoundMs: ms, lastRoundAt: sentAt };
          house.told({ connection: source().name, scaler: free.scaler.type, triggers: free.watched.length, ms, outcome });
        });
      }
    }
  };

  /** While the connection is down a round is a missed interval; before the first dial ended it is nothing. */
  const notRead = (batches: readonly Batch[]) => {
    const problem = connection.problem();
    if (problem === undefined) return;
    const answered = foundNow();
    for (const { watched } of batches) {
      for (const each of watched) {
        if (each.stopped) continue;
        takeProblem(each, plain(problem), answered);
        answerAll(each);
      }
    }
  };

  let toldKind: ProblemKind | undefined;

  const opened = () => {
    toldKind = undefined;
    house.turned();
    read(batchesOf(groups.all()));
  };

  const failed = (problem: Problem) => {
    const answered = foundNow();
    for (const watched of groups.all()) {
      disarm(watched);
      watched.hintedAt = undefined;
      if (watched.failure?.problem.kind !== problem.kind) takeProblem(watched, problem, answered);
      answerAll(watched);
    }
    if (toldKind !== problem.kind) house.turned();
    toldKind = problem.kind;
  };

  /** No question was sent: what is told was found out now. */
  const foundNow = (): Answered => {
    const now = clock();
    return { sentAt: now, receivedAt: now, nextId, everyRead, fault };
  };

  const remove = (watched: Watched) => {
    watched.stopped = true;
    disarm(watched);
    twins.remove(watched);
    groups.remove(watched);
    answerAll(watched);
  };

  const twins = createTwins();
  const groups = createGroups(read, house.random);
  const asks = createAsks(read, house);
  const connection = createConnection(broker, source, { opened, failed }, house);
  const send = createReads(connection, asks, house);

  return {
    add(watched) {
      const twin = twins.replace(watched);
      if (twin !== undefined) inherit(watched, twin);
      groups.add(watched);
      asks.ask(watched);
      connection.nudge();
    },
    remove,
    refresh(watched) {
      if (watched.stopped) return Promise.resolve(observationOf(watched));
      const { promise, resolve } = Promise.withResolvers<Observation>();
      watched.asking = [...(watched.asking ?? []), resolve];
      asks.ask(watched);
      return promise;
    },
    rest(watched, resting) {
      if (watched.resting === resting || watched.stopped) return;
      watched.resting = resting;
      if (!watched.watch.scaler.wakesFromZero) return;
      disarm(watched);
      if (resting) asks.ask(watched);
    },
    async quiet(watched, worker, on) {
      const { scaler, query } = watched.watch;
      const link = connection.link();
      if (scaler.quiet === undefined || link === undefined || watched.stopped) {
        throw new BrokerError({ kind: "unreachable", message: connection.problem()?.message ?? "not connected" });
      }
      const limit = { ms: quietMs, message: `${worker} did not answer within ${quietMs / 1000} s`, clock };
      const call = bounded(limit, async (signal) => scaler.quiet?.(link.session.client, query, worker, on, signal));
      link.calls.add(call);
      try {
        await call.promise;
      } catch (cause) {
        throw cause instanceof BrokerError ? cause : new BrokerError(problemOf(cause), { cause });
      } finally {
        link.calls.delete(call);
      }
    },
    size: groups.size,
    up: () => connection.link() !== undefined,
    checkSettings: () => connection.checkSettings(),
    problem: connection.problem,
    warning: () => connection.link()?.session.warning,
    figures: () => ({ rounds, ...last }),
    async close() {
      for (const watched of [...groups.all()]) remove(watched);
      groups.stop();
      asks.stop();
      await connection.close();
    },
  };
}

function withoutReading(batch: Batch): Batch {
  if (!batch.watched.some(({ reading }) => reading)) return batch;
  const watched = batch.watched.filter(({ reading }) => !reading);
  return { scaler: batch.scaler, watched, queries: watched.map(({ watch }) => watch.query) };
}

function plain({ kind, message }: Problem): Problem {
  return { kind, message };
}
