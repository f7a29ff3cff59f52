import type { Problem } from "../core/contract.ts";

/** What Redis answers, RESP3, with integers as numbers and bulk strings as strings. */
export type RedisValue = string | number | boolean | null | readonly RedisValue[];

/**
 * A read-only Lua script for one query: the body of a function of `keys` and `args` (tables from 1), which returns one
 * value. It also sees `now`, the server's wall clock in ms, taken once per chunk: ages need no clock of ours.
 * A nil in the middle of a returned table ends it: use false.
 */
export type Script = Readonly<{ name: string; body: string }>;

export type ScriptQuery = Readonly<{ keys: readonly string[]; args?: readonly (string | number)[] }>;

/** The answer to one query, and the identity of the data that it came from. */
export type ScriptAnswer = Readonly<{ value: RedisValue; epoch: string } | { problem: Problem }>;

/**
 * What scalers ask of Redis, the same for a single server, Sentinel and Cluster. Every method fails with BrokerError
 * when the connection does; a query that fails alone (wrong type, a node of the cluster down) is data.
 */
export interface RedisReader {
  /**
   * Runs the script once per query, many queries in one EVALSHA_RO, in chunks that hold Redis for no more than about
   * 2 ms each; in Cluster one call per slot, sent to the slot's primary. Reading arms the keys for {@link onChange}.
   *
   * Asked with the same array of queries again, a single server's answer that is a plain value, and the same as before, is
   * the very object of before; where all are, so is the array.
   */
  evaluate(script: Script, queries: readonly ScriptQuery[], signal: AbortSignal): Promise<readonly ScriptAnswer[]>;
  /** One command, in the same flush as others that are asked in the same turn. In Cluster `key` says where. */
  command(words: readonly string[], signal: AbortSignal, key?: string): Promise<RedisValue>;
  /** Calls back when one of these keys, read before, changed; until what it returns is disposed of. Hints may be false, never late. */
  onChange(keys: readonly string[], hint: () => void): Disposable;
  /**
   * Messages of a pattern, until `signal` fires or the session is lost; a new session is a new reader, to which one
   * subscribes again. Resolves once Redis has confirmed it.
   */
  subscribe(pattern: string, listener: (channel: string, message: string) => void, signal: AbortSignal): Promise<void>;
  /** The number of the database, as the URL says. */
  readonly database: number;
}
