import type { Observation, Problem } from "../core/contract.ts";
import type { ConnectionState } from "../observe/observer.ts";
import type { Log } from "../telemetry/log.ts";

/** Writes to the log which connections and queues are out of reach, each once. */
export interface TroubleLog {
  /** Its connection came up, or went down. */
  connection(state: Pick<ConnectionState, "name" | "up" | "problem" | "warning">): void;
  /** A trigger was read, or could not be. `trigger` is the same object from read to read. */
  read(worker: string, trigger: ReadTrigger, failure: Observation["failure"]): void;
}

type ReadTrigger = Readonly<{ name: string; watch: Readonly<{ connection: Readonly<{ name: string }> }> }>;
type Turn = Readonly<{ name: string; up: boolean; problem?: Problem | undefined }>;

/** So many turns of one connection are told of at once within so many ms; what comes on top is told as one when they have passed. */
const mostTurns = 6;
const spanMs = 60_000;
/** A queue that was not known so often in a row is told of. */
const lastingCount = 3;

/** One that comes and goes all the time is told of once a minute, as it stands then. Timers of it hold up no end. */
export function createTroubleLog(log: Log): TroubleLog {
  const recent = new Map<string, { turns: number; unsaid: number; last: Turn }>();
  const down = new Set<string>();
  const warned = new Map<string, string>();
  const unknown = new WeakSet<ReadTrigger>();

  const write = ({ name: connection, up, problem }: Turn, more: Readonly<{ turns?: number }> = {}) => {
    if (up) log.info({ connection, ...more }, "connected");
    else log.warn({ connection, problem: problem?.kind, reason: problem?.message, ...more }, "connection is down");
  };

  const begin = (turn: Turn) => {
    const told = { turns: 0, unsaid: 0, last: turn };
    recent.set(turn.name, told);
    setTimeout(() => {
      recent.delete(turn.name);
      if (told.unsaid === 0) return;
      write(told.last, { turns: told.unsaid });
      begin(told.last).turns = mostTurns; // it goes on like that: a line a minute will do
    }, spanMs).unref();
    return told;
  };

  return {
    connection({ warning, ...turn }) {
      const told = recent.get(turn.name) ?? begin(turn);
      told.last = turn;
      told.turns += 1;
      if (told.turns <= mostTurns) write(turn);
      else told.unsaid += 1;
      if (turn.up) down.delete(turn.name);
      else down.add(turn.name);
      if (warning === undefined || warned.get(turn.name) === warning) return;
      warned.set(turn.name, warning);
      log.warn({ connection: turn.name, reason: warning }, "jobs may be lost");
    },
    read(worker, trigger, failure) {
      const { name } = trigger;
      if (failure === undefined) {
        if (unknown.delete(trigger)) log.info({ worker, trigger: name }, "a queue is known again");
        return;
      }
      const connection = trigger.watch.connection.name;
      if (failure.count < lastingCount || unknown.has(trigger) || down.has(connection)) return;
      unknown.add(trigger);
      const { kind: problem, message: reason } = failure.problem;
      log.warn({ worker, trigger: name, connection, problem, reason }, "a queue is not known");
    },
  };
}
