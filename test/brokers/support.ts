import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader, Script, ScriptAnswer } from "../../src/brokers/redis-client.ts";
import type { RedisSettings } from "../../src/brokers/redis-settings.ts";
import { BrokerError, type Problem, type Session } from "../../src/core/contract.ts";

export const llen: Script = { name: "llen", body: "return redis.call('LLEN', keys[1])" };

/** A fresh deadline, as the observer gives one to each call; longer, since no good answer may miss it here. */
export const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);

export const open = (settings: Partial<RedisSettings>, ms?: number): Promise<Session<RedisReader>> =>
  redisBroker.open(settings as RedisSettings, soon(ms));

/** Lengths of lists, or the kind of problem that each one has. */
export async function lengths(client: RedisReader, keys: readonly string[], signal = soon()): Promise<readonly unknown[]> {
  const queries = keys.map((key) => ({ keys: [key] }));
  return (await client.evaluate(llen, queries, signal)).map((answer) =>
    "problem" in answer ? answer.problem.kind : answer.value,
  );
}

export async function oneAnswer(client: RedisReader, key: string): Promise<ScriptAnswer> {
  const [answer] = await client.evaluate(llen, [{ keys: [key] }], soon());
  if (!answer) throw new Error("no answer");
  return answer;
}

/** The problem that a promise rejects with. */
export async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BrokerError) return error.problem;
  throw new Error("it did not fail with a BrokerError", { cause: error });
}
