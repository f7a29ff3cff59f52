import type { Socket } from "node:net";
import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { monotonicMs } from "./clock.ts";
import type { Ending } from "./session.ts";
import type { SqlAnswer, Table } from "./sql-client.ts";

/** One connection to one database. It never comes back: whoever lost it opens another one. All that fails is a BrokerError. */
export interface SqlLink extends Ending {
  /** Begins a read-only transaction whose statements may take so many ms; gives the epoch of the data. */
  begin(statementMs: number): Promise<string>;
  /** From now on a statement may take so many ms. */
  limit(statementMs: number): Promise<void>;
  /** At most one row more than {@link maxRows}. */
  query(text: string): Promise<Table>;
  /** Makes the next query possible after one that failed; its time is that of {@link begin} again. */
  recover(): Promise<void>;
  end(): Promise<void>;
}

/** More rows than this nobody needs: a query that gives its jobs in place of their number would fill the memory. */
export const maxRows = 10_000;
const tooMany: Problem = {
  kind: "invalid",
  message: `the query returns more than ${maxRows} rows: let the database count them, as in SELECT count(*)`,
};

/** So much of an answer is taken, MiB: {@link maxRows} rows of names and numbers are a tenth of it. */
const maxMib = 8;

/**
 * What `asked` gives, as long as no more than that comes for it by `socket`. Neither client bounds one value: the connection
 * is what can be ended.
 */
export async function withinBounds<T>(asked: Promise<T>, socket: Socket, tooLarge: (problem: Problem) => void): Promise<T> {
  const before = socket.bytesRead;
  const look = () => {
    if (socket.bytesRead - before > maxMib * 2 ** 20) tooLarge(huge);
  };
  const timer = setInterval(look, 10);
  try {
    return await asked;
  } finally {
    clearInterval(timer);
    look(); // all of it may have come in between
  }
}

const huge: Problem = {
  kind: "invalid",
  message: `a query answers with more than ${maxMib} MiB: let the database count, as in SELECT count(*)`,
};

/** A standby may be behind, and a zero of a minute ago is none. */
export const replicaProblem: Problem = {
  kind: "replica",
  message: "this server takes no writes: a replica, whose numbers may be old; connect to the primary",
};

/** The link, once it is connected and has answered. Throws BrokerError. */
export async function firstAnswer(
  link: SqlLink,
  connected: Promise<unknown>,
  problemFrom: (error: unknown) => Problem,
  signal: AbortSignal,
): Promise<SqlLink> {
  try {
    await abortable(connected, signal);
    await abortable(link.begin(1000), signal);
    await abortable(link.end(), signal);
    return link;
  } catch (error) {
    const problem = link.gone() ?? problemFrom(error);
    link.destroy(problem);
    throw new BrokerError(problem);
  }
}

/** Asks queries and gives their answers in the same order. */
export type Ask = (texts: readonly string[], signal: AbortSignal) => Promise<readonly SqlAnswer[]>;

type Task = Readonly<{ text: string; until: number; settle: (answer: SqlAnswer) => void; fail: (problem: Problem) => void }>;

/** A reading has 2 s. What is not answered by then is given up before, so that the answers of the others count. */
const readingMs = 1600;
/** With less time than this no query is begun. */
const leastMs = 50;

/** After this time the next query is in a transaction of its own. */
const transactionMs = 200;

type Begun = Readonly<{ epoch: string; askedAt: number }>;

const timeout = (message: string): SqlAnswer => ({ problem: { kind: "timeout", message } });
const noTime = timeout("other queries on this connection left no time for this one");

/**
 * Asks one query at a time, whoever asks. One that was too slow last time comes after all others of its batch: the quick
 * ones get their answers, however many slow ones there are. And one that there was no time for comes before its like: none
 * is left out for ever, however many there are.
 */
export function createAsk(link: SqlLink, statementMs: number): Ask {
  const queue: Task[] = [];
  const open = new Set<Task>();
  const slow = new Set<string>();
  const missed = new Set<string>();
  /** When the connection last answered anything. */
  let aliveAt = Number.NEGATIVE_INFINITY;
  let pumping = false;
  void link.lost.then((problem) => {
    for (const task of open) task.fail(problem);
  });

  const next = (): Task | undefined => {
    for (let task = queue.shift(); task; task = queue.shift()) {
      if (!open.has(task)) continue;
      if (task.until - monotonicMs() >= leastMs) return task;
      leaveOut(task);
    }
    return undefined;
  };

  const leaveOut = (task: Task) => {
    missed.add(task.text);
    task.settle(noTime);
  };

  const heard = async <T>(answer: Promise<T>): Promise<T> => {
    const value = await answer;
    aliveAt = monotonicMs();
    return value;
  };

  const answerOf = async ({ text }: Task, { epoch, askedAt }: Begun, limitMs: number): Promise<SqlAnswer> => {
    missed.delete(text);
    try {
      const table = await link.query(text);
      slow.delete(text);
      return table.rows.length > maxRows ? { problem: tooMany } : { ...table, epoch, askedAt };
    } catch (error) {
      const problem = link.gone();
      if (problem || !(error instanceof BrokerError)) throw error;
      if (error.problem.kind !== "timeout") return { problem: error.problem };
      if (limitMs < statementMs && !slow.has(text)) {
        missed.add(text);
        return noTime;
      }
      slow.add(text);
      return timeout(`the query took longer than ${limitMs} ms`);
    }
  };

  /** What a transaction tells is as it was when it began (all of it in MySQL, the time in PostgreSQL): so it is short. */
  const pump = async () => {
    let task = next();
    while (task) {
      const askedAt = monotonicMs();
      const begun = { askedAt, epoch: await heard(link.begin(statementMs)) };
      let limitMs = statementMs;
      do {
        const mayTake = Math.min(statementMs, Math.max(leastMs, Math.floor(task.until - monotonicMs())));
        if (mayTake !== limitMs) await heard(link.limit(mayTake));
        limitMs = mayTake;
        const answer = await heard(answerOf(task, begun, limitMs));
        task.settle(answer);
        if ("problem" in answer) {
          await heard(link.recover());
          limitMs = statementMs;
        }
        task = next();
      } while (task && monotonicMs() - askedAt < transactionMs);
      await heard(link.end());
    }
  };

  const start = () => {
    if (pumping || queue.length === 0 || link.gone()) return;
    pumping = true;
    pump()
      .catch((error: unknown) => link.destroy(problemOf(error)))
      .finally(() => {
        pumping = false;
        start();
      });
  };

  const enqueue = (text: string, until: number): Promise<SqlAnswer> => {
    const { promise, resolve, reject } = Promise.withResolvers<SqlAnswer>();
    const done = () => {
      clearTimeout(timer);
      open.delete(task);
    };
    const task: Task = {
      text,
      until,
      settle(answer) {
        done();
        resolve(answer);
      },
      fail(problem) {
        done();
        reject(new BrokerError(problem));
      },
    };
    const since = monotonicMs();
    // What is being asked then ends by its own limit. A connection that has answered nothing at all meanwhile is not busy but
    // silent: whoever asks learns that by the deadline, and gives it up.
    const timer = setTimeout(() => queue.includes(task) && aliveAt >= since && leaveOut(task), until - since);
    open.add(task);
    queue.push(task);
    return promise;
  };

  return async (texts, signal) => {
    link.throwIfGone();
    const until = monotonicMs() + readingMs;
    const rank = (text: string) => 2 * Number(slow.has(text)) - Number(missed.has(text));
    const distinct = [...new Set(texts)].sort((a, b) => rank(a) - rank(b));
    const answers = distinct.map((text) => enqueue(text, until));
    start();
    const found = await abortable(Promise.all(answers), signal);
    const byText = new Map(distinct.map((text, i) => [text, found[i] as SqlAnswer]));
    return texts.map((text) => byText.get(text) as SqlAnswer);
  };
}

const problemOf = (error: unknown): Problem =>
  error instanceof BrokerError ? error.problem : { kind: "internal", message: String(error).slice(0, 200) };
