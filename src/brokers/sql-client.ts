import type { Problem } from "../core/contract.ts";

/** Columns of one row, as the driver gives them: numbers, or text of numbers that are larger, text, booleans, JSON. */
export type Row = Readonly<Record<string, unknown>>;

/** What a query gives: the names of its columns, which it has without a row too, and its rows. */
export type Table = Readonly<{ columns: readonly string[]; rows: readonly Row[] }>;

/** The answer to one query. */
export type SqlAnswer = Readonly<
  | (Table & {
      /** Changes when the server, or the way to it, does. */
      epoch: string;
      /** When its transaction began, monotonic ms: nothing in it is older. */
      askedAt: number;
    })
  | { problem: Problem }
>;

/** What scalers ask of a database, whichever it is. */
export interface SqlReader {
  readonly dialect: "postgresql" | "mysql";
  /**
   * Runs each query in a read-only transaction, one after the other on one connection, equal ones once; answers in the same
   * order. A query that fails or takes too long is data; throws BrokerError when the connection failed.
   */
  ask(queries: readonly string[], signal: AbortSignal): Promise<readonly SqlAnswer[]>;
  /** Calls back on each NOTIFY on this channel, once the next query has been asked; undefined: this database has none. */
  onNotify?(channel: string, hint: () => void): Disposable;
}
